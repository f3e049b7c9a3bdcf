//! When a token is refreshed and when it expires.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::jitter::share;

/// The most that is kept clear before a token expires: time for a request to arrive, and for two clocks to differ.
const MAX_MARGIN: Duration = Duration::from_secs(30);

/// The most by which a refresh precedes the margin, whatever the token's lifetime.
const MAX_WINDOW: Duration = Duration::from_secs(60 * 60);

/// The most over which the refreshes of a fleet are spread.
const MAX_JITTER: Duration = Duration::from_secs(10 * 60);

/// One time on both clocks.
///
/// A token's age is the larger of what the two say: the monotonic clock may stand still while a machine is suspended, and
/// the wall clock may be set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimePair {
    instant: Instant,
    system_time: SystemTime,
}

/// When a token is refreshed and when it expires, as ages counted from the [`TimePair`] before it was requested.
///
/// ```text
/// 0                              refresh_at          soft_end  lifetime
/// |------------- Fresh -------------|--- RefreshDue ---|-- Grace --|-- Expired
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Freshness {
    refresh_at: Duration,
    soft_end: Duration,
    lifetime: Duration,
}

/// What a cache does with a token of a certain age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenState {
    /// Requests get it.
    Fresh,
    /// Requests get it, and a new one is fetched in the background.
    RefreshDue,
    /// It is about to expire: requests wait briefly for a new one, and then get it after all.
    Grace,
    /// It is never sent again.
    Expired,
}

// === impl TokenState ===

impl TokenState {
    /// The state in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::RefreshDue => "refresh_due",
            Self::Grace => "grace",
            Self::Expired => "expired",
        }
    }
}

// === impl TimePair ===

impl TimePair {
    /// The time at which the two clocks read `instant` and `system_time`.
    pub(super) const fn new(instant: Instant, system_time: SystemTime) -> Self {
        Self { instant, system_time }
    }

    /// The time from `earlier` to this one: the larger of what the two clocks say, zero if both say that `earlier` is later.
    pub(super) fn since(&self, earlier: &Self) -> Duration {
        let monotonic = self.instant.saturating_duration_since(earlier.instant);
        let wall = self.system_time.duration_since(earlier.system_time).unwrap_or_default();
        monotonic.max(wall)
    }

    /// The monotonic clock's reading.
    pub(super) const fn instant(&self) -> Instant {
        self.instant
    }

    /// The wall clock's reading.
    pub(super) const fn system_time(&self) -> SystemTime {
        self.system_time
    }
}

// === impl Freshness ===

impl Freshness {
    /// The windows of a token, all in proportion to its lifetime *L*, *T* being `fetch_timeout`:
    ///
    /// * margin = min(30 s, *L*/10), and `soft_end` = *L* − margin;
    /// * window = min(max(*L*/10, min(2*T*, *L*/4)), 60 min): time for a fetch and for another after it;
    /// * the part `jitter` of min(*L*/20, 10 min), so that processes that started together do not refresh together;
    /// * `refresh_at` = `soft_end` − window − that part.
    ///
    /// For every lifetime of at least 1 s: *L*/2 ≤ `refresh_at` < `soft_end` < *L*.
    ///
    /// `jitter` is drawn evenly from 0.0..1.0, once for each token, and clamped to that range.
    pub(super) fn new(lifetime: Duration, fetch_timeout: Duration, jitter: f64) -> Self {
        let window = fetch_timeout.saturating_mul(2).min(lifetime / 4);
        let window = window.max(lifetime / 10).min(MAX_WINDOW);
        let soft_end = lifetime.saturating_sub(margin(lifetime));
        let refresh_at = soft_end.saturating_sub(window).saturating_sub(spread(lifetime, jitter));
        Self { refresh_at, soft_end, lifetime }
    }

    /// The windows of a token that is refreshed `buffer` before it expires, and earlier by the jitter of [`new`](Self::new).
    ///
    /// The buffer is cut to 2/5 of the lifetime, so that *L*/2 ≤ `refresh_at` holds here too: a buffer as long as the lifetime
    /// would fetch a token for every request. The margin is at most half of the buffer.
    pub(super) fn with_buffer(lifetime: Duration, buffer: Duration, jitter: f64) -> Self {
        let buffer = buffer.min(lifetime / 5 * 2);
        let soft_end = lifetime.saturating_sub(margin(lifetime).min(buffer / 2));
        let refresh_at = lifetime.saturating_sub(buffer).saturating_sub(spread(lifetime, jitter));
        Self { refresh_at, soft_end, lifetime }
    }

    /// The token's state at this age.
    pub(super) fn state(&self, age: Duration) -> TokenState {
        if age < self.refresh_at {
            TokenState::Fresh
        } else if age < self.soft_end {
            TokenState::RefreshDue
        } else if age < self.lifetime {
            TokenState::Grace
        } else {
            TokenState::Expired
        }
    }

    /// The age at which the token is refreshed in the background.
    pub(super) const fn refresh_at(&self) -> Duration {
        self.refresh_at
    }

    /// The age at which the token expires.
    pub(super) const fn lifetime(&self) -> Duration {
        self.lifetime
    }
}

fn margin(lifetime: Duration) -> Duration {
    (lifetime / 10).min(MAX_MARGIN)
}

fn spread(lifetime: Duration, jitter: f64) -> Duration {
    share(MAX_JITTER.min(lifetime / 20), jitter)
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
        assert_eq!((day.soft_end, day.refresh_at()), (secs(86_370), secs(86_370 - 3600)));
        let late = Freshness::new(secs(86_400), T, 1.0);
        assert_eq!(late.refresh_at(), day.refresh_at() - secs(600));
        let minute = Freshness::new(secs(60), T, 0.0);
        assert_eq!((minute.soft_end, minute.refresh_at()), (secs(54), secs(39)));
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
        assert_eq!((hour.soft_end, hour.refresh_at()), (secs(3570), secs(3300)));
        let short = Freshness::with_buffer(secs(3600), secs(10), 0.0);
        assert_eq!((short.soft_end, short.refresh_at()), (secs(3595), secs(3590)));
        let too_long = Freshness::with_buffer(secs(100), secs(5000), 1.0);
        assert_eq!(too_long.refresh_at(), secs(55));
    }

    #[test]
    fn rule_5_age_is_the_larger_of_both_clocks() {
        let start = TimePair::new(Instant::now(), SystemTime::UNIX_EPOCH + secs(10_000));
        let at = |monotonic, wall| {
            TimePair::new(start.instant + monotonic, SystemTime::UNIX_EPOCH + wall)
        };
        assert_eq!(at(secs(60), secs(10_060)).since(&start), secs(60));
        assert_eq!(at(secs(0), secs(17_200)).since(&start), secs(7200), "suspended");
        assert_eq!(at(secs(60), secs(0)).since(&start), secs(60), "set back");
        assert_eq!(start.since(&at(secs(60), secs(10_060))), secs(0), "later than now");
    }

    proptest! {
        #[test]
        fn rule_7_holds_for_every_lifetime_of_a_second_or_more(
            life in 1_000_000_000_u64..,
            timeout in any::<u64>(),
            jitter in prop_oneof![0.0..1.0, Just(1.0), Just(f64::NAN), Just(f64::INFINITY), Just(-1.0)],
            buffer in prop::option::of(1_u64..),
        ) {
            let life = Duration::from_nanos(life);
            let freshness = match buffer {
                None => Freshness::new(life, Duration::from_nanos(timeout), jitter),
                Some(buffer) => Freshness::with_buffer(life, Duration::from_nanos(buffer), jitter),
            };
            prop_assert!(life / 2 <= freshness.refresh_at());
            prop_assert!(freshness.refresh_at() < freshness.soft_end);
            prop_assert!(freshness.soft_end < life);
        }

        #[test]
        fn rule_7_nothing_overflows(life in any::<(u64, u32)>(), timeout in any::<(u64, u32)>(), jitter in any::<f64>()) {
            let [life, timeout] = [life, timeout]
                .map(|(secs, nanos)| Duration::new(secs, nanos % 1_000_000_000));
            let freshness = Freshness::new(life, timeout, jitter);
            prop_assert!(freshness.refresh_at() <= freshness.lifetime());
            let _state = Freshness::with_buffer(life, timeout, jitter).state(timeout);
        }
    }
}
