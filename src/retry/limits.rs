use std::time::Duration;

use super::Backoff;

/// The bounds within which one call may be retried.
///
/// # Defaults
///
/// [`DEFAULT_MAX_RETRIES`](Self::DEFAULT_MAX_RETRIES), [`DEFAULT_MAX_WAIT`](Self::DEFAULT_MAX_WAIT),
/// [`Backoff::default`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Sends after the first, at most.
    pub max_retries: u32,
    /// One wait, at most, its jitter included. A longer one is not begun.
    pub max_wait: Duration,
    /// The waits where the server names none, and the jitter after every wait.
    pub backoff: Backoff,
}

// === impl Limits ===

impl Limits {
    /// Five: with steps that double from one second they span more than half a minute.
    pub const DEFAULT_MAX_RETRIES: u32 = 5;

    /// Ninety seconds: what a quota counted by the minute can ask for, with room for the jitter after it.
    pub const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(90);

    /// Sends after the first, at most.
    #[must_use]
    pub const fn max_retries(mut self, max_retries: u32) -> Self {
        self.max_retries = max_retries;
        self
    }

    /// One wait, at most, its jitter included.
    #[must_use]
    pub const fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = max_wait;
        self
    }

    /// The waits where the server names none, and the jitter after every wait.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_retries: Self::DEFAULT_MAX_RETRIES,
            max_wait: Self::DEFAULT_MAX_WAIT,
            backoff: Backoff::default(),
        }
    }
}
