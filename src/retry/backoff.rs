//! How long to wait if the server does not say.

use std::time::Duration;

use super::events;
use crate::{error::InvalidConfig, jitter::share};

/// Exponential backoff with positive jitter: `first`, twice that, four times that, up to `cap`.
///
/// The wait before a retry is the larger of what the server asked for and the backoff step. Jitter is added to either: it spreads
/// callers after the time that the server named, and lets none come before it.
///
/// # Defaults
///
/// [`DEFAULT_FIRST`](Self::DEFAULT_FIRST), [`DEFAULT_CAP`](Self::DEFAULT_CAP),
/// [`DEFAULT_JITTER_RATIO`](Self::DEFAULT_JITTER_RATIO).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    jitter_ratio: f64,
}

// === impl Backoff ===

impl Backoff {
    /// One second: most identity APIs count by the second.
    pub const DEFAULT_FIRST: Duration = Duration::from_secs(1);

    /// Thirty seconds: a caller that has to wait longer should know.
    pub const DEFAULT_CAP: Duration = Duration::from_secs(30);

    /// The whole step: callers that failed together come back spread over as long again as they waited.
    pub const DEFAULT_JITTER_RATIO: f64 = 1.0;

    /// The default of retries after rate limits.
    pub(super) const RATE_LIMITS: Self = Self {
        first: Self::DEFAULT_FIRST,
        cap: Self::DEFAULT_CAP,
        jitter_ratio: Self::DEFAULT_JITTER_RATIO,
    };

    /// The default of retries after failures: a server that restarts or is replaced is back within that, and most requests that met a
    /// broken connection need no wait at all.
    pub(super) const FAILURES: Self = Self {
        first: Duration::from_millis(200),
        cap: Duration::from_secs(5),
        jitter_ratio: Self::DEFAULT_JITTER_RATIO,
    };

    /// Steps from `first`, doubling up to `cap`.
    ///
    /// # Errors
    ///
    /// `first` is zero, which would retry without a pause, or `cap` is less than `first`.
    pub fn exponential(first: Duration, cap: Duration) -> Result<Self, InvalidConfig> {
        if first.is_zero() {
            return Err(InvalidConfig::new("backoff", "the first step is zero"));
        }
        if cap < first {
            return Err(InvalidConfig::new("backoff", "the cap is less than the first step"));
        }
        Ok(Self { first, cap, jitter_ratio: Self::DEFAULT_JITTER_RATIO })
    }

    /// Sets how much of a step may be added to a wait: from 0.0 for none to 1.0 for the whole step. A ratio outside of that range
    /// counts as the nearer end, and NaN as [the default](Self::DEFAULT_JITTER_RATIO); both log a warning.
    #[must_use]
    pub fn jitter_ratio(self, jitter_ratio: f64) -> Self {
        if (0.0..=1.0).contains(&jitter_ratio) {
            return Self { jitter_ratio, ..self };
        }
        events::jitter_out_of_range(jitter_ratio);
        let jitter_ratio = if jitter_ratio.is_nan() {
            Self::DEFAULT_JITTER_RATIO
        } else {
            jitter_ratio.clamp(0.0, 1.0)
        };
        Self { jitter_ratio, ..self }
    }

    /// The step before the retry that follows `retries` others.
    pub(super) fn step(&self, retries: u32) -> Duration {
        let factor = 1_u32.checked_shl(retries).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.cap)
    }

    /// The most jitter before that retry.
    pub(super) fn spread(&self, retries: u32) -> Duration {
        share(self.step(retries), self.jitter_ratio)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::RATE_LIMITS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_doubles_up_to_its_cap() {
        let backoff = Backoff::default();
        let steps: Vec<u64> = (0..8).map(|retries| backoff.step(retries).as_secs()).collect();
        assert_eq!(steps, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(backoff.step(u32::MAX), Backoff::DEFAULT_CAP);
    }

    #[test]
    fn the_jitter_ratio_is_clamped() {
        let spread = |ratio| Backoff::default().jitter_ratio(ratio).spread(2);
        assert_eq!(Backoff::default().spread(2), SECOND * 4);
        for ratio in [0.0, -0.1, f64::NEG_INFINITY] {
            assert_eq!(spread(ratio), Duration::ZERO, "{ratio}");
        }
        assert_eq!(spread(0.5), SECOND * 2);
        for ratio in [1.0, 1.1, f64::INFINITY, f64::NAN] {
            assert_eq!(spread(ratio), SECOND * 4, "{ratio}");
        }
    }
}
