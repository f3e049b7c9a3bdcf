//! How long a token endpoint that failed is left alone.

use std::time::Duration;

use crate::{chance::share, classify::ErrorClass};

/// A server may name a wait of at most a day, the longest that Auth0's quotas have; more is cut to it.
const MAX_TOLD: Duration = Duration::from_secs(24 * 60 * 60);

/// The least wait after a refusal, also where the server says that there is none: a limit of one call per second is the
/// narrowest that identity providers count by, and a zero would call again for every request.
const MIN_TOLD: Duration = Duration::from_secs(1);

/// The most that is added to a wait that the server named.
const MAX_JITTER: Duration = Duration::from_secs(30);

/// Why no token could be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FetchFailure {
    /// The issuer refused because of a limit: 429, or 503 with a wait.
    RateLimited,
    /// The issuer could not be reached, or could not answer: no connection, a broken one, 5xx.
    Unavailable,
    /// The issuer did not answer in time.
    Timeout,
    /// The issuer refused these credentials or this request: 400, 401, 403 and every other 4xx.
    Rejected,
    /// The issuer's answer holds no token that can be used.
    Malformed,
}

/// How many fetches have failed since the last success, and how long to wait after the last of them.
///
/// | failure | wait |
/// |---|---|
/// | `RateLimited`, the server named a wait | that, from 1 s up to 24 h, plus up to a tenth and at most 30 s |
/// | `RateLimited`, it named none | 5 s doubling to 5 min, plus up to a half |
/// | `Unavailable`, `Timeout` | 0.5 s doubling to 30 s, plus up to a half |
/// | `Rejected`, `Malformed` | 5 s doubling to 5 min, plus up to a half |
///
/// A success begins all rows anew. Each row has a count of its own, which failures of the other leave alone: an issuer in
/// trouble that answers 429 and 503 by turns is not asked every few seconds for that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HoldOff {
    short: u32,
    long: u32,
}

/// A row of doubling waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Steps {
    Short,
    Long,
}

// === impl FetchFailure ===

impl FetchFailure {
    /// The failure in snake case, as it stands in events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Rejected => "rejected",
            Self::Malformed => "malformed",
        }
    }

    /// What the class of an issuer's answer or of an error means for a token.
    #[must_use]
    pub const fn of_class(class: ErrorClass) -> Self {
        match class {
            ErrorClass::RateLimited | ErrorClass::Throttled => Self::RateLimited,
            ErrorClass::Timeout => Self::Timeout,
            ErrorClass::Unauthenticated | ErrorClass::Forbidden | ErrorClass::Rejected => {
                Self::Rejected
            }
            ErrorClass::Unavailable
            | ErrorClass::Connect
            | ErrorClass::Interrupted
            | ErrorClass::TokenUnavailable => Self::Unavailable,
        }
    }

    /// The class of this failure for those who decide about a retry. A malformed answer is `Unavailable`.
    #[must_use]
    pub const fn class(self) -> ErrorClass {
        match self {
            Self::RateLimited => ErrorClass::RateLimited,
            Self::Unavailable | Self::Malformed => ErrorClass::Unavailable,
            Self::Timeout => ErrorClass::Timeout,
            Self::Rejected => ErrorClass::Rejected,
        }
    }

    const fn steps(self) -> Steps {
        match self {
            Self::Unavailable | Self::Timeout => Steps::Short,
            Self::RateLimited | Self::Rejected | Self::Malformed => Steps::Long,
        }
    }
}

// === impl HoldOff ===

impl HoldOff {
    /// Counts one more failure and tells how long no fetch is started after it. The jitter comes on top of the wait and
    /// is never taken off it.
    ///
    /// `told` is the wait that the server named. `chance` is drawn evenly from 0.0..1.0, anew for each failure.
    pub fn after(
        &mut self,
        failure: FetchFailure,
        told: Option<Duration>,
        chance: f64,
    ) -> Duration {
        let steps = failure.steps();
        let count = match steps {
            Steps::Short => &mut self.short,
            Steps::Long => &mut self.long,
        };
        let before = *count;
        *count = before.saturating_add(1);
        match told {
            Some(told) if failure == FetchFailure::RateLimited => {
                let wait = told.clamp(MIN_TOLD, MAX_TOLD);
                wait + share(MAX_JITTER.min(wait / 10), chance)
            }
            _ => {
                let wait = steps.step(before);
                wait + share(wait / 2, chance)
            }
        }
    }

    /// Forgets all failures, after a success.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

// === impl Steps ===

impl Steps {
    fn step(self, before: u32) -> Duration {
        let (first, cap) = match self {
            Self::Short => (Duration::from_millis(500), Duration::from_secs(30)),
            Self::Long => (Duration::from_secs(5), Duration::from_secs(5 * 60)),
        };
        first.saturating_mul(2_u32.saturating_pow(before)).min(cap)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn waits(failure: FetchFailure, times: usize) -> Vec<f64> {
        let mut hold_off = HoldOff::default();
        (0..times).map(|_| hold_off.after(failure, None, 0.0).as_secs_f64()).collect()
    }

    #[test]
    fn rule_22_waits_double_to_their_caps() {
        let long = [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0];
        assert_eq!(waits(FetchFailure::RateLimited, 8), long);
        assert_eq!(waits(FetchFailure::Rejected, 8), long);
        assert_eq!(waits(FetchFailure::Malformed, 8), long);
        let short = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0];
        assert_eq!(waits(FetchFailure::Unavailable, 8), short);
        assert_eq!(waits(FetchFailure::Timeout, 8), short);
    }

    #[test]
    fn rule_22_what_the_server_said_is_kept_up_to_a_day() {
        let told = |secs| {
            let told = Some(Duration::from_secs(secs));
            HoldOff::default().after(FetchFailure::RateLimited, told, 0.0).as_secs()
        };
        assert_eq!(told(3600), 3600);
        assert_eq!(told(86_400), 86_400);
        assert_eq!(told(u64::MAX), 86_400);
        assert_eq!(told(0), 1);
    }

    #[test]
    fn rule_22_a_success_begins_anew_and_failures_by_turns_do_not() {
        let mut hold_off = HoldOff::default();
        let mut wait = |failure| hold_off.after(failure, None, 0.0).as_secs_f64();
        assert_eq!(wait(FetchFailure::Timeout), 0.5);
        assert_eq!(wait(FetchFailure::Unavailable), 1.0);
        assert_eq!(wait(FetchFailure::Rejected), 5.0);
        assert_eq!(wait(FetchFailure::Timeout), 2.0);
        assert_eq!(wait(FetchFailure::RateLimited), 10.0);
        hold_off.reset();
        assert_eq!(hold_off, HoldOff::default());
    }

    proptest! {
        #[test]
        fn rule_22_jitter_is_never_taken_off(
            told in prop::option::of(any::<u64>()),
            chance in any::<f64>(),
            failures in 0_u32..100,
        ) {
            for failure in [
                FetchFailure::RateLimited,
                FetchFailure::Unavailable,
                FetchFailure::Timeout,
                FetchFailure::Rejected,
                FetchFailure::Malformed,
            ] {
                let (mut plain, mut jittered) = (HoldOff::default(), HoldOff::default());
                for _ in 0..failures {
                    let told = told.map(Duration::from_nanos);
                    let least = plain.after(failure, told, 0.0);
                    let wait = jittered.after(failure, told, chance);
                    prop_assert!(least <= wait && wait <= least + least / 2);
                }
            }
        }
    }
}
