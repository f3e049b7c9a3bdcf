//! How long a token is good for, and when the next one is fetched.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::chance::share;

/// Before a token's end, at most this much is kept clear: time for a request to arrive, and for two clocks to differ.
const MAX_MARGIN: Duration = Duration::from_secs(30);

/// A token is refreshed at most this long before it stops being given out, whatever its life.
const MAX_WINDOW: Duration = Duration::from_secs(60 * 60);

/// The refreshes of a fleet are spread over at most this much.
const MAX_JITTER: Duration = Duration::from_secs(10 * 60);

/// One point in time on both clocks.
///
/// A token's age is the larger of what the two say: the monotonic clock may stand still while a machine is suspended, and
/// the wall clock may be set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    instant: Instant,
    system_time: SystemTime,
}

/// When a token is refreshed and when it ends, as ages counted from [`Moment`] before it was asked for.
///
/// ```text
/// 0                              refresh_at          soft_end     life
/// |------------- Fresh -------------|--- RefreshDue ---|-- Grace --|-- Expired
/// ```
///
/// ```
/// use std::time::Duration;
/// use tower_heed::extensions::{Freshness, TokenState};
///
/// let hour = Freshness::new(Duration::from_secs(3600), Duration::from_secs(10), 0.0);
/// assert_eq!(hour.soft_end(), Duration::from_secs(3570));
/// assert_eq!(hour.refresh_at(), Duration::from_secs(3210));
/// assert_eq!(hour.state(Duration::from_secs(3300)), TokenState::RefreshDue);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    refresh_at: Duration,
    soft_end: Duration,
    life: Duration,
}

/// What may be done with a token of a certain age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenState {
    /// It is given out, and nothing is fetched.
    Fresh,
    /// It is given out, and a new one is fetched meanwhile.
    RefreshDue,
    /// So close to its end that a new one is waited for a moment, before it is given out after all.
    Grace,
    /// It is never sent again.
    Expired,
}

// === impl Moment ===

impl Moment {
    /// The point at which the two clocks read `instant` and `system_time`.
    #[must_use]
    pub const fn new(instant: Instant, system_time: SystemTime) -> Self {
        Self { instant, system_time }
    }

    /// The time from `earlier` to here: the larger of what the two clocks say, zero if both say that `earlier` is later.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Duration {
        let monotonic = self.instant.saturating_duration_since(earlier.instant);
        let wall = self.system_time.duration_since(earlier.system_time).unwrap_or_default();
        monotonic.max(wall)
    }

    /// The reading of the monotonic clock.
    #[must_use]
    pub const fn instant(&self) -> Instant {
        self.instant
    }

    /// The reading of the wall clock.
    #[must_use]
    pub const fn system_time(&self) -> SystemTime {
        self.system_time
    }
}

// === impl Freshness ===

impl Freshness {
    /// The windows of a token with this life, all in proportion to it, *T* being `fetch_timeout`:
    ///
    /// * margin = min(30 s, life/10), and `soft_end` = life − margin;
    /// * window = min(max(life/10, min(2*T*, life/4)), 60 min): time for a fetch and for another after it;
    /// * jitter = `chance` × min(life/20, 10 min), so that processes which started together do not refresh together;
    /// * `refresh_at` = `soft_end` − window − jitter.
    ///
    /// For every life of at least 1 s: life/2 ≤ `refresh_at` < `soft_end` < life.
    ///
    /// `chance` is drawn evenly from 0.0..1.0, once for each token; anything else counts as the nearer of the two ends.
    #[must_use]
    pub fn new(life: Duration, fetch_timeout: Duration, chance: f64) -> Self {
        let window = (life / 10).max(fetch_timeout.saturating_mul(2).min(life / 4)).min(MAX_WINDOW);
        let soft_end = life.saturating_sub(margin(life));
        let refresh_at = soft_end.saturating_sub(window).saturating_sub(jitter(life, chance));
        Self { refresh_at, soft_end, life }
    }

    /// The windows of a token that is refreshed at the latest `buffer` before its end, and with the jitter of
    /// [`new`](Self::new) before that.
    ///
    /// The buffer is cut to 2/5 of the life, the jitter coming on top, so that life/2 ≤ `refresh_at` holds here too: a
    /// buffer as long as the life would fetch a token for every request. The margin is at most half of the buffer.
    #[must_use]
    pub fn with_buffer(life: Duration, buffer: Duration, chance: f64) -> Self {
        let buffer = buffer.min(life / 5 * 2);
        let soft_end = life.saturating_sub(margin(life).min(buffer / 2));
        let refresh_at = life.saturating_sub(buffer).saturating_sub(jitter(life, chance));
        Self { refresh_at, soft_end, life }
    }

    /// What may be done with the token at this age.
    #[must_use]
    pub fn state(&self, age: Duration) -> TokenState {
        if age < self.refresh_at {
            TokenState::Fresh
        } else if age < self.soft_end {
            TokenState::RefreshDue
        } else if age < self.life {
            TokenState::Grace
        } else {
            TokenState::Expired
        }
    }

    /// The age from which on a new token is fetched in the background.
    #[must_use]
    pub const fn refresh_at(&self) -> Duration {
        self.refresh_at
    }

    /// The age from which on callers wait for the new token.
    #[must_use]
    pub const fn soft_end(&self) -> Duration {
        self.soft_end
    }

    /// The age from which on the token is dead.
    #[must_use]
    pub const fn life(&self) -> Duration {
        self.life
    }
}

fn margin(life: Duration) -> Duration {
    (life / 10).min(MAX_MARGIN)
}

fn jitter(life: Duration, chance: f64) -> Duration {
    share(MAX_JITTER.min(life / 20), chance)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T: Duration = Duration::from_secs(10);

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn rule_7_a_day_is_refreshed_an_hour_before_and_an_hour_some_minutes_before() {
        let day = Freshness::new(secs(86_400), T, 0.0);
        assert_eq!((day.soft_end(), day.refresh_at()), (secs(86_370), secs(86_370 - 3600)));
        let late = Freshness::new(secs(86_400), T, 1.0);
        assert_eq!(late.refresh_at(), day.refresh_at() - secs(600));
        let minute = Freshness::new(secs(60), T, 0.0);
        assert_eq!((minute.soft_end(), minute.refresh_at()), (secs(54), secs(39)));
    }

    #[test]
    fn rule_7_each_state_begins_at_its_age() {
        let minute = Freshness::new(secs(60), T, 0.0);
        let just_before = |age| age - Duration::from_nanos(1);
        for (age, state) in [
            (secs(0), TokenState::Fresh),
            (just_before(secs(39)), TokenState::Fresh),
            (secs(39), TokenState::RefreshDue),
            (just_before(secs(54)), TokenState::RefreshDue),
            (secs(54), TokenState::Grace),
            (just_before(secs(60)), TokenState::Grace),
            (secs(60), TokenState::Expired),
            (Duration::MAX, TokenState::Expired),
        ] {
            assert_eq!(minute.state(age), state, "{age:?}");
        }
    }

    #[test]
    fn rule_7_a_fixed_buffer_is_the_latest_refresh() {
        let hour = Freshness::with_buffer(secs(3600), secs(300), 0.0);
        assert_eq!((hour.soft_end(), hour.refresh_at()), (secs(3570), secs(3300)));
        let short = Freshness::with_buffer(secs(3600), secs(10), 0.0);
        assert_eq!((short.soft_end(), short.refresh_at()), (secs(3595), secs(3590)));
        let too_long = Freshness::with_buffer(secs(100), secs(5000), 1.0);
        assert_eq!(too_long.refresh_at(), secs(55));
    }

    #[test]
    fn rule_5_age_is_the_larger_of_both_clocks() {
        let start = Moment::new(Instant::now(), SystemTime::UNIX_EPOCH + secs(10_000));
        let at =
            |monotonic, wall| Moment::new(start.instant + monotonic, SystemTime::UNIX_EPOCH + wall);
        assert_eq!(at(secs(60), secs(10_060)).since(&start), secs(60));
        assert_eq!(at(secs(0), secs(17_200)).since(&start), secs(7200), "suspended");
        assert_eq!(at(secs(60), secs(0)).since(&start), secs(60), "set back");
        assert_eq!(start.since(&at(secs(60), secs(10_060))), secs(0), "later than now");
    }

    proptest! {
        #[test]
        fn rule_7_holds_for_every_life_of_a_second_or_more(
            life in 1_000_000_000_u64..,
            timeout in any::<u64>(),
            chance in prop_oneof![0.0..1.0, Just(1.0), Just(f64::NAN), Just(f64::INFINITY), Just(-1.0)],
            buffer in prop::option::of(1_u64..),
        ) {
            let life = Duration::from_nanos(life);
            let freshness = match buffer {
                None => Freshness::new(life, Duration::from_nanos(timeout), chance),
                Some(buffer) => Freshness::with_buffer(life, Duration::from_nanos(buffer), chance),
            };
            prop_assert!(life / 2 <= freshness.refresh_at());
            prop_assert!(freshness.refresh_at() < freshness.soft_end());
            prop_assert!(freshness.soft_end() < life);
        }

        #[test]
        fn rule_7_nothing_overflows(life in any::<(u64, u32)>(), timeout in any::<(u64, u32)>(), chance in any::<f64>()) {
            let [life, timeout] = [life, timeout]
                .map(|(secs, nanos)| Duration::new(secs, nanos % 1_000_000_000));
            let freshness = Freshness::new(life, timeout, chance);
            prop_assert!(freshness.refresh_at() <= freshness.life());
            let _state = Freshness::with_buffer(life, timeout, chance).state(timeout);
        }
    }
}
