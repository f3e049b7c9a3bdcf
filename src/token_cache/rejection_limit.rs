//! How often the 401s of an API may cause a new token to be fetched.
//!
//! A server that responds 401 to everything, because of a wrong audience for example, costs a bounded number of token fetches and not
//! one per request. Beyond the limit the caller gets the 401, and the token stays in use.

use std::time::Duration;

use tokio::time::Instant;

/// The least time between the starts of two fetches that 401s cause: the 401s of one revocation arrive within the time that requests
/// take.
const SPACING: Duration = Duration::from_secs(10);

/// The fetches in quick succession: one for a token that was revoked, one more in case it is revoked again soon.
const BURST: u32 = 2;

/// The time after which one more fetch is allowed: twelve calls an hour is what the token endpoint with the narrowest limit takes.
const REFILL: Duration = Duration::from_secs(5 * 60);

/// The fetches that are given back in quick succession: with more endpoints than that which reject every token, the token is at
/// fault after all.
const MAX_GIVEN_BACK: u32 = 3;

/// How many fetches 401s have caused of late.
#[derive(Debug, Default)]
pub(super) struct Rejections {
    used: u32,
    /// How many of late were given back.
    given_back: u32,
    refilled: Option<Instant>,
    last: Option<Instant>,
}

// === impl Rejections ===

impl Rejections {
    /// Takes one, if the limit leaves one.
    pub(super) fn try_take(&mut self, now: Instant) -> bool {
        self.refill(now);
        let too_soon = self.last.is_some_and(|last| now.saturating_duration_since(last) < SPACING);
        if too_soon || self.used >= BURST {
            return false;
        }
        self.used += 1;
        self.last = Some(now);
        true
    }

    /// Gives back one that was taken: the rejection was not the token's fault.
    pub(super) fn give_back(&mut self) {
        if self.given_back < MAX_GIVEN_BACK {
            self.given_back += 1;
            self.used = self.used.saturating_sub(1);
            self.last = None;
        }
    }

    /// How long it still matters: zero if none counts any more.
    pub(super) fn left(&self, now: Instant) -> Duration {
        let spacing = self.last.map_or(Duration::ZERO, |last| {
            SPACING.saturating_sub(now.saturating_duration_since(last))
        });
        let refill = self.refilled.map_or(Duration::ZERO, |since| {
            let counted = REFILL.saturating_mul(self.used.max(u32::from(self.given_back > 0)));
            counted.saturating_sub(now.saturating_duration_since(since))
        });
        spacing.max(refill)
    }

    fn refill(&mut self, now: Instant) {
        let since = self.refilled.unwrap_or(now);
        let periods = now.saturating_duration_since(since).as_nanos() / REFILL.as_nanos();
        let grown = u32::try_from(periods).unwrap_or(u32::MAX);
        self.used = self.used.saturating_sub(grown);
        self.given_back = self.given_back.saturating_sub(grown);
        self.refilled = if self.used == 0 && self.given_back == 0 {
            // Full: a period begins with the next one that is taken.
            Some(now)
        } else {
            // The part of a period that has passed counts on.
            since.checked_add(REFILL.saturating_mul(grown)).or(Some(now))
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(times: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let start = Instant::now();
        let mut rejections = Rejections::default();
        let mut take = |secs| rejections.try_take(start + Duration::from_secs(secs));
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
