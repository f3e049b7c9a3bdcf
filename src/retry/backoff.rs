//! How long to wait where the server did not say.

use std::time::Duration;

use crate::chance::share;

use crate::error::InvalidConfig;

/// Exponential backoff with positive jitter: `first`, twice that, four times that ... up to `cap`.
///
/// The wait before a retry is the larger of the server's hint and the backoff step, and the jitter comes on top of
/// either: it spreads callers after the moment the server named and never lets one come before it.
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
    /// One second: what most identity APIs count by.
    pub const DEFAULT_FIRST: Duration = Duration::from_secs(1);

    /// Thirty seconds: a caller that waits longer is better told so.
    pub const DEFAULT_CAP: Duration = Duration::from_secs(30);

    /// The whole step: callers that failed together come back spread over as long again as they waited.
    pub const DEFAULT_JITTER_RATIO: f64 = 1.0;

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

    /// How much of a step may be added to a wait, at most: 0.0 for none, 1.0 for the whole step.
    ///
    /// # Errors
    ///
    /// A ratio outside of 0.0..=1.0.
    pub fn jitter_ratio(self, jitter_ratio: f64) -> Result<Self, InvalidConfig> {
        if !(0.0..=1.0).contains(&jitter_ratio) {
            return Err(InvalidConfig::new("jitter ratio", "expected 0.0 to 1.0"));
        }
        Ok(Self { jitter_ratio, ..self })
    }

    /// The step before the retry that comes after `retries` others.
    #[must_use]
    pub fn step(&self, retries: u32) -> Duration {
        let factor = 1_u32.checked_shl(retries).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.cap)
    }

    /// The most that may be added to the wait before that retry.
    #[must_use]
    pub fn spread(&self, retries: u32) -> Duration {
        share(self.step(retries), self.jitter_ratio)
    }

    /// The jitter for that step. `chance` is drawn evenly from 0.0..1.0, anew for each wait.
    #[must_use]
    pub fn jitter(&self, retries: u32, chance: f64) -> Duration {
        share(self.spread(retries), chance)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Self::DEFAULT_FIRST,
            cap: Self::DEFAULT_CAP,
            jitter_ratio: Self::DEFAULT_JITTER_RATIO,
        }
    }
}
