//! How long after a failed fetch no other one begins.

use std::time::Duration;

use crate::{error::TokenErrorKind, jitter::share};

/// The longest wait that a server may ask for, that of Auth0's longest quotas. A longer one is cut to it.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest wait after a rate-limited fetch: identity providers count by the second at the finest, and a `Retry-After: 0`
/// would otherwise start a fetch for every request.
const MIN_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The most jitter that is added to a wait that the server asked for.
const MAX_JITTER: Duration = Duration::from_secs(30);

/// The most failures that count: after as many every wait has reached its cap.
const MAX_COUNT: u32 = 10;

/// How many fetches have failed since the last success. [`TokenErrorKind`] has the table of the waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cooldown {
    short: u32,
    long: u32,
}

// === impl Cooldown ===

impl Cooldown {
    /// As after so many failures of the kinds whose waits are long.
    #[cfg(feature = "shared")]
    pub(crate) const fn after_long_failures(failures: u32) -> Self {
        Self { short: 0, long: failures }
    }

    /// Counts a failure, and returns how long no fetch begins after it. Jitter lengthens a wait and never shortens it.
    ///
    /// A wait that the server asked for is kept; from the second failure on, the own step is kept as well, so that a server that
    /// says `Retry-After: 1` all day is not called every second.
    ///
    /// `jitter` is drawn evenly from 0.0..1.0, anew for each failure.
    pub(crate) fn after(
        &mut self,
        kind: TokenErrorKind,
        retry_after: Option<Duration>,
        jitter: f64,
    ) -> Duration {
        let (count, first, cap) = match kind {
            TokenErrorKind::Unavailable | TokenErrorKind::Timeout => {
                (&mut self.short, Duration::from_millis(500), Duration::from_secs(30))
            }
            TokenErrorKind::RateLimited | TokenErrorKind::Rejected | TokenErrorKind::Malformed => {
                (&mut self.long, Duration::from_secs(5), Duration::from_secs(5 * 60))
            }
        };
        let earlier = *count;
        *count = earlier.saturating_add(1).min(MAX_COUNT);
        let step = first.saturating_mul(2_u32.saturating_pow(earlier)).min(cap);
        let step = step + share(step / 2, jitter);
        match retry_after {
            Some(told) if earlier == 0 => asked_for(told, jitter),
            Some(told) => asked_for(told, jitter).max(step),
            None => step,
        }
    }

    /// Forgets all failures, after a success.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Forgets one failure of each kind: after a success among failures, which does not prove that they are over.
    pub(crate) fn ease(&mut self) {
        self.short = self.short.saturating_sub(1);
        self.long = self.long.saturating_sub(1);
    }
}

/// A wait that a server asked for, within bounds.
pub(crate) fn asked_for(told: Duration, jitter: f64) -> Duration {
    let told = told.clamp(MIN_RETRY_AFTER, MAX_RETRY_AFTER);
    told + share(MAX_JITTER.min(told / 10), jitter)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn waits(failure: TokenErrorKind, times: usize) -> Vec<f64> {
        let mut cooldown = Cooldown::default();
        (0..times).map(|_| cooldown.after(failure, None, 0.0).as_secs_f64()).collect()
    }

    #[test]
    fn rule_22_waits_double_to_their_caps() {
        let long = [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0];
        assert_eq!(waits(TokenErrorKind::RateLimited, 8), long);
        assert_eq!(waits(TokenErrorKind::Rejected, 8), long);
        assert_eq!(waits(TokenErrorKind::Malformed, 8), long);
        let short = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0];
        assert_eq!(waits(TokenErrorKind::Unavailable, 8), short);
        assert_eq!(waits(TokenErrorKind::Timeout, 8), short);
    }

    #[test]
    fn rule_22_what_the_server_said_is_kept_up_to_a_day() {
        let after = |secs| {
            let retry_after = Some(Duration::from_secs(secs));
            Cooldown::default().after(TokenErrorKind::RateLimited, retry_after, 0.0).as_secs()
        };
        assert_eq!(after(3600), 3600);
        assert_eq!(after(86_400), 86_400);
        assert_eq!(after(u64::MAX), 86_400);
        assert_eq!(after(0), 1);
    }

    #[test]
    fn rule_22_a_success_begins_anew_and_failures_by_turns_do_not() {
        let mut cooldown = Cooldown::default();
        let mut wait = |failure| cooldown.after(failure, None, 0.0).as_secs_f64();
        assert_eq!(wait(TokenErrorKind::Timeout), 0.5);
        assert_eq!(wait(TokenErrorKind::Unavailable), 1.0);
        assert_eq!(wait(TokenErrorKind::Rejected), 5.0);
        assert_eq!(wait(TokenErrorKind::Timeout), 2.0);
        assert_eq!(wait(TokenErrorKind::RateLimited), 10.0);
        cooldown.reset();
        assert_eq!(cooldown, Cooldown::default());
    }

    proptest! {
        #[test]
        fn rule_22_jitter_is_never_taken_off(
            retry_after in prop::option::of(any::<u64>()),
            jitter in any::<f64>(),
            failures in 0_u32..100,
        ) {
            for failure in [
                TokenErrorKind::RateLimited,
                TokenErrorKind::Unavailable,
                TokenErrorKind::Timeout,
                TokenErrorKind::Rejected,
                TokenErrorKind::Malformed,
            ] {
                let (mut plain, mut jittered) = (Cooldown::default(), Cooldown::default());
                for _ in 0..failures {
                    let retry_after = retry_after.map(Duration::from_nanos);
                    let least = plain.after(failure, retry_after, 0.0);
                    let wait = jittered.after(failure, retry_after, jitter);
                    prop_assert!(least <= wait && wait <= least + least / 2);
                }
            }
        }
    }
}
