//! How often a 401 may cause a new token.

use std::{num::NonZeroU32, time::Duration};

use tokio::time::Instant;

/// How often the 401s of an API may cause a new token to be fetched.
///
/// A server that responds 401 to everything, because of a wrong audience for example, costs a bounded number of token
/// fetches and not one per request. Beyond the limit the caller gets the 401, and the token stays in use.
///
/// # Defaults
///
/// [`DEFAULT_SPACING`](Self::DEFAULT_SPACING), [`DEFAULT_BURST`](Self::DEFAULT_BURST),
/// [`DEFAULT_REFILL`](Self::DEFAULT_REFILL).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectionLimit {
    spacing: Duration,
    burst: NonZeroU32,
    refill: Duration,
}

/// How much of the limit is used.
#[derive(Debug, Default)]
pub(super) struct Rejections {
    used: u32,
    refilled: Option<Instant>,
    last: Option<Instant>,
}

// === impl RejectionLimit ===

impl RejectionLimit {
    /// Ten seconds: the 401s of one revocation arrive within the time that requests take.
    pub const DEFAULT_SPACING: Duration = Duration::from_secs(10);

    /// Two: one for a token that was revoked, one more in case it is revoked again soon.
    pub const DEFAULT_BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

    /// Five minutes: twelve calls an hour is what the token endpoint with the narrowest limit takes.
    pub const DEFAULT_REFILL: Duration = Duration::from_secs(5 * 60);

    /// The default limit.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            spacing: Self::DEFAULT_SPACING,
            burst: Self::DEFAULT_BURST,
            refill: Self::DEFAULT_REFILL,
        }
    }

    /// The least time between the starts of two fetches that 401s cause.
    #[must_use]
    pub const fn spacing(self, spacing: Duration) -> Self {
        Self { spacing, ..self }
    }

    /// The number of fetches in quick succession, before the refill limits them.
    #[must_use]
    pub const fn burst(self, burst: NonZeroU32) -> Self {
        Self { burst, ..self }
    }

    /// The time after which one more fetch is allowed; at least a second, because zero would be no limit.
    #[must_use]
    pub const fn refill(self, refill: Duration) -> Self {
        let refill = if refill.as_secs() == 0 { Duration::from_secs(1) } else { refill };
        Self { refill, ..self }
    }
}

impl Default for RejectionLimit {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Rejections ===

impl Rejections {
    /// Takes one, if the limit leaves one.
    pub(super) fn try_take(&mut self, limit: &RejectionLimit, now: Instant) -> bool {
        self.refill(limit, now);
        let too_soon =
            self.last.is_some_and(|last| now.saturating_duration_since(last) < limit.spacing);
        if too_soon || self.used >= limit.burst.get() {
            return false;
        }
        self.used += 1;
        self.last = Some(now);
        true
    }

    fn refill(&mut self, limit: &RejectionLimit, now: Instant) {
        let since = self.refilled.unwrap_or(now);
        let periods =
            now.saturating_duration_since(since).as_nanos() / limit.refill.as_nanos().max(1);
        let grown = u32::try_from(periods).unwrap_or(u32::MAX);
        self.used = self.used.saturating_sub(grown);
        self.refilled = if self.used == 0 {
            // Full: a period begins with the next one that is taken.
            Some(now)
        } else {
            // The part of a period that has passed counts on.
            since.checked_add(limit.refill.saturating_mul(grown)).or(Some(now))
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(times: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let (start, limit) = (Instant::now(), RejectionLimit::new());
        let mut rejections = Rejections::default();
        let mut take = |secs| rejections.try_take(&limit, start + Duration::from_secs(secs));
        times.into_iter().filter(|secs| take(*secs)).collect()
    }

    #[test]
    fn rule_21_two_at_once_ten_seconds_apart_then_one_every_five_minutes() {
        assert_eq!(taken(0..1000), [0, 10, 300, 600, 900]);
        assert_eq!(taken([0, 9, 10, 5000, 5009, 5010, 5020]), [0, 10, 5000, 5010]);
        assert_eq!(taken([0, 10, 599, 620, 630]), [0, 10, 599, 620]);
        assert_eq!(taken(0..3600).len(), 2 + 11);
    }

    proptest! {
        #[test]
        fn rule_21_never_more_than_the_burst_and_one_for_each_period(
            mut times in prop::collection::vec(0_u64..20_000, 0..300),
        ) {
            times.sort_unstable();
            let taken = taken(times);
            prop_assert!(taken.windows(2).all(|pair| pair[1] - pair[0] >= 10));
            for (first, from) in taken.iter().enumerate() {
                for (last, until) in taken.iter().enumerate().skip(first) {
                    prop_assert!((last - first + 1) as u64 <= 2 + (until - from) / 300);
                }
            }
        }
    }
}
