//! The issuer's clock, as its responses tell it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use http::HeaderMap;
use tokio::time::Instant;

use crate::headers::{ServerClock, date::unix_nanos};

/// A difference of less than this is that of the journey, and of a date in whole seconds.
const LEAST: i64 = 2;

/// How long a difference is remembered.
const MEMORY: Duration = Duration::from_secs(60 * 60);

/// The difference between the issuer's clock and ours, by the `Date` of its last response. Clones share it.
///
/// A proxy may date the responses, by a wrong clock: once assertions were rejected that are dated by it, and accepted by ours, ours is
/// used for an hour.
#[derive(Clone, Debug, Default)]
pub(super) struct IssuerClock(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// How many seconds it is ahead, and when that was seen.
    ahead: Option<(i64, Instant)>,
    /// Since when its dates are not used.
    distrusted: Option<Instant>,
}

// === impl IssuerClock ===

impl IssuerClock {
    /// Takes note of a response's date, and gives it or else `ours`.
    pub(super) fn heard(&self, headers: &HeaderMap, ours: SystemTime, now: Instant) -> SystemTime {
        let Some(date) = ServerClock::date(headers, ours) else { return ours };
        let ahead = (unix_nanos(date) - unix_nanos(ours)).div_euclid(1_000_000_000);
        self.lock().ahead = i64::try_from(ahead).ok().map(|ahead| (ahead, now));
        date
    }

    /// Its time when ours is `ours`, by the clock that is in use.
    pub(super) fn time(&self, ours: SystemTime, now: Instant) -> SystemTime {
        let state = self.lock();
        if state.is_distrusted(now) { ours } else { state.theirs(ours, now) }
    }

    /// Whether what was dated `dated` and rejected would now be dated otherwise: by the date of the rejection, or by the clock that
    /// was not in use, which is then.
    #[cfg(feature = "private-key-jwt")]
    pub(super) fn disagrees(&self, dated: SystemTime, ours: SystemTime, now: Instant) -> bool {
        let differ = |time: SystemTime| {
            let seconds = (unix_nanos(time) - unix_nanos(dated)).abs() / 1_000_000_000;
            seconds > i128::from(LEAST)
        };
        if differ(self.time(ours, now)) {
            return true;
        }
        let mut state = self.lock();
        let was_distrusted = state.is_distrusted(now);
        let other = if was_distrusted { state.theirs(ours, now) } else { ours };
        if differ(other) {
            state.distrusted = (!was_distrusted).then_some(now);
        }
        differ(other)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    fn is_distrusted(&self, now: Instant) -> bool {
        self.distrusted.is_some_and(|since| is_recent(since, now))
    }

    fn theirs(&self, ours: SystemTime, now: Instant) -> SystemTime {
        match self.ahead {
            Some((ahead, since)) if is_recent(since, now) && ahead.abs() > LEAST => {
                shifted(ours, ahead).unwrap_or(ours)
            }
            Some(_) | None => ours,
        }
    }
}

fn is_recent(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) < MEMORY
}

fn shifted(time: SystemTime, seconds: i64) -> Option<SystemTime> {
    let by = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { time.checked_sub(by) } else { time.checked_add(by) }
}
