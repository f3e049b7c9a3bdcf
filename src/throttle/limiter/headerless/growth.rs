//! Trying whether the limit has become a greater one.

use std::time::Duration;

use tokio::time::Instant;

/// Full periods without a refusal before one more is tried.
const FIRST_AFTER: u32 = 8;

/// Each time that it was refused, twice as many, up to these.
const AFTER_AT_MOST: u32 = 64;

/// One more than the limit is tried now and then: a refusal is the only way to learn of a limit that is not shown.
///
/// While it succeeds the steps double; when it is refused, the next attempt is made after twice as many periods.
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

    /// The whole limit is used.
    pub(super) fn is_full(&mut self) {
        self.full = true;
    }

    /// How many to add to the limit.
    pub(super) fn step(&mut self, now: Instant, period: Duration) -> u64 {
        if !self.full || now.saturating_duration_since(self.begun) < period {
            return 0;
        }
        self.begun = now;
        self.full = false;
        self.periods += 1;
        if self.trying {
            // It was not refused.
            self.step = self.step.saturating_mul(2);
        } else if self.periods < self.after {
            return 0;
        }
        self.periods = 0;
        self.trying = true;
        self.step
    }

    /// More than the limit is being tried.
    pub(super) const fn is_trying(&self) -> bool {
        self.trying
    }

    /// The limit was met.
    pub(super) fn refused(&mut self) {
        if self.trying {
            self.after = (self.after * 2).min(AFTER_AT_MOST);
        }
        (self.trying, self.step, self.periods) = (false, 1, 0);
    }
}
