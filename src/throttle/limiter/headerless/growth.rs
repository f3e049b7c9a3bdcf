//! Trying whether the limit was raised.

use std::time::Duration;

use tokio::time::Instant;

/// The number of full periods without a rate-limited response before one more request is tried.
const FIRST_AFTER: u32 = 8;

/// The number doubles each time the attempt was rate limited, up to this.
const MAX_AFTER: u32 = 64;

/// More than the limit is tried now and then: a rate-limited response is the only way to learn of a limit that is not shown.
///
/// The steps double while they succeed; after a failure the next attempt is made after twice as many periods.
#[derive(Debug)]
pub(super) struct Growth {
    after: u32,
    step: u64,
    /// Full periods since the last attempt.
    periods: u32,
    begun: Instant,
    full: bool,
    trying: bool,
}

// === impl Growth ===

impl Growth {
    pub(super) const fn new(now: Instant) -> Self {
        Self { after: FIRST_AFTER, step: 1, periods: 0, begun: now, full: false, trying: false }
    }

    /// The whole limit is used in this period.
    pub(super) fn mark_full(&mut self) {
        self.full = true;
    }

    /// The number to add to the limit.
    pub(super) fn step(&mut self, now: Instant, period: Duration) -> u64 {
        if !self.full || now.saturating_duration_since(self.begun) < period {
            return 0;
        }
        self.begun = now;
        self.full = false;
        self.periods += 1;
        if self.trying {
            // The last step was not rate limited.
            self.step = self.step.saturating_mul(2);
        } else if self.periods < self.after {
            return 0;
        }
        self.periods = 0;
        self.trying = true;
        self.step
    }

    pub(super) const fn is_trying(&self) -> bool {
        self.trying
    }

    pub(super) fn on_rate_limited(&mut self) {
        if self.trying {
            self.after = (self.after * 2).min(MAX_AFTER);
        }
        (self.trying, self.step, self.periods) = (false, 1, 0);
    }
}
