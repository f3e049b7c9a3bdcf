//! The place of one token, and all that is known about getting another.

use std::{
    fmt,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::{ArcSwapOption, Guard};
use tokio::time::Instant;

use super::{
    TokenError, TokenKey,
    cached::Cached,
    fetch::{Landing, Passengers},
    loom_sync::{Meeting, Mutex, MutexGuard},
    rejection_limit::Rejections,
};
use crate::{cooldown::HoldOff, token_cache::Moment};

/// The token of one key, and all that is known about getting another.
pub(super) struct Slot {
    key: Arc<TokenKey>,
    /// Read by every request, without a lock. Stored to under the lock of `state`.
    current: ArcSwapOption<Cached>,
    meeting: Meeting,
    /// Held for a few lines at a time, never while anything is waited for.
    state: Mutex<State>,
    /// When it was last looked up, as a count of look-ups.
    used: AtomicU64,
}

/// What the slow path decides by.
#[derive(Default)]
pub(super) struct State {
    /// The last flight that departed, until it lands.
    pub(super) flight: Option<Landing>,
    /// How often the token was forgotten. What a flight from before brings is for those who wait for it, and is not kept.
    pub(super) epoch: u64,
    pub(super) generations: u64,
    pub(super) hold_off: HoldOff,
    pub(super) held: Option<Held>,
    pub(super) rejections: Rejections,
}

/// The time after a failure in which no flight is begun.
pub(super) struct Held {
    since: Moment,
    wait: Duration,
    error: TokenError,
}

// === impl Slot ===

impl Slot {
    pub(super) fn new(key: Arc<TokenKey>) -> Self {
        Self {
            key,
            current: ArcSwapOption::empty(),
            meeting: Meeting::default(),
            state: Mutex::new(State::default()),
            used: AtomicU64::new(0),
        }
    }

    pub(super) const fn key(&self) -> &Arc<TokenKey> {
        &self.key
    }

    /// The present token, good or not, on loan: for the path that every request takes.
    pub(super) fn peek(&self) -> Guard<Option<Arc<Cached>>> {
        self.meeting.read();
        self.current.load()
    }

    /// The present token, good or not.
    pub(super) fn current(&self) -> Option<Arc<Cached>> {
        self.meeting.read();
        self.current.load_full()
    }

    /// Puts a token, or none, in the place of the present one. The lock says that nobody else does so meanwhile.
    pub(super) fn replace(&self, _lock: &mut State, token: Option<Arc<Cached>>) {
        self.meeting.write();
        self.current.store(token);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // What a panic can leave half done here is a flight that was not noted, and its end is noted all the same.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where those who wait for a flight, and the flight, meet.
    pub(super) const fn meeting(&self) -> &Meeting {
        &self.meeting
    }

    /// Notes a look-up. `uses` counts those of another slot than the last, so that one slot that is alone in use is not
    /// written to.
    pub(super) fn touch(&self, uses: &AtomicU64) {
        if self.used.load(Ordering::Relaxed) != uses.load(Ordering::Relaxed) {
            self.used.store(uses.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("key", &self.key).finish_non_exhaustive()
    }
}

// === impl State ===

impl State {
    /// The flight under way, if there is one and it will be heard of.
    pub(super) fn under_way(&self, now: Instant) -> Option<Landing> {
        self.flight.as_ref().filter(|landing| landing.is_expected(now)).cloned()
    }

    /// Takes note that a flight has ended. False if it had been given up and another departed: what it brings is then old.
    pub(super) fn end(&mut self, flight: &Passengers) -> bool {
        let is_noted = self.is_noted(flight);
        if is_noted {
            self.flight = None;
        }
        is_noted
    }

    /// Whether it is this flight that departed last.
    pub(super) fn is_noted(&self, flight: &Passengers) -> bool {
        self.flight.as_ref().is_some_and(|landing| landing.is_of(flight))
    }

    /// The failure because of which no flight may begin, with the time that is left.
    pub(super) fn held(&mut self, now: &Moment) -> Option<TokenError> {
        let held = self.held.as_ref()?;
        let left = held.wait.saturating_sub(now.since(&held.since));
        if left.is_zero() {
            self.held = None;
            return None;
        }
        if held.error.is_outdated() {
            // What was rejected is no longer what will be sent: the next failure is the first of its row.
            self.held = None;
            self.hold_off.reset();
            return None;
        }
        Some(held.error.clone().with_retry_after(left))
    }
}

// === impl Held ===

impl Held {
    pub(super) const fn new(since: Moment, wait: Duration, error: TokenError) -> Self {
        Self { since, wait, error }
    }
}
