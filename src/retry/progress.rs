use std::time::Duration;

use super::Repeatable;

/// How far one call has come.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Whether the request may be sent again after any failure.
    pub repeatable: Repeatable,
    /// Sends after the first, so far.
    pub retries: u32,
    /// The time to the deadline, if there is one.
    pub remaining: Option<Duration>,
    /// Drawn evenly from 0.0..1.0, anew for each decision.
    pub chance: f64,
}

// === impl Progress ===

impl Progress {
    /// The first send of a call without a deadline has failed, and no jitter is drawn.
    #[must_use]
    pub const fn first(repeatable: Repeatable) -> Self {
        Self { repeatable, retries: 0, remaining: None, chance: 0.0 }
    }

    /// As many sends after the first have been made.
    #[must_use]
    pub const fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// So much time is left to the deadline, if there is one.
    #[must_use]
    pub const fn remaining(mut self, remaining: Option<Duration>) -> Self {
        self.remaining = remaining;
        self
    }

    /// Drawn evenly from 0.0..1.0.
    #[must_use]
    pub const fn chance(mut self, chance: f64) -> Self {
        self.chance = chance;
        self
    }
}
