use std::time::Duration;

use super::Backoff;

/// Settings of [`RetryOnRateLimit`](super::RetryOnRateLimit) for one endpoint. They start from the settings so far.
#[derive(Clone, Copy, Debug)]
pub struct RetryConfig {
    pub(super) max_retries: u32,
    pub(super) max_wait: Duration,
    pub(super) backoff: Backoff,
    pub(super) idempotent: bool,
}

// === impl RetryConfig ===

impl RetryConfig {
    /// Five: with steps that double from one second they span more than half a minute.
    pub const DEFAULT_MAX_RETRIES: u32 = 5;

    /// Ninety seconds: the longest wait for a quota per minute, with room for jitter.
    pub const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(90);

    /// Sets the number of retries after the first attempt, at most. Where a [`ThrottleLayer`](crate::ThrottleLayer) inside makes them
    /// wait, up to eight attempts within the time of one backoff step count as one retry. With 0 a request is sent again only for a replaced token, which is no
    /// retry; [`NoRetry`](crate::extensions::NoRetry) forbids that too.
    #[must_use]
    pub const fn max_retries(mut self, max_retries: u32) -> Self {
        self.max_retries = max_retries;
        self
    }

    /// Sets the longest wait between two attempts, jitter included. If the server or the backoff asks for more, the response is
    /// returned at once.
    #[must_use]
    pub const fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = max_wait;
        self
    }

    /// Sets the waits if the server names none, and the jitter after every wait.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Retries these requests after any failure, whatever their method: sending one twice has the effect of sending it once.
    ///
    /// [`Idempotent`](crate::extensions::Idempotent) says the same of one request.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Undoes [`idempotent`](Self::idempotent): an exception from a wider pattern.
    #[must_use]
    pub const fn not_idempotent(mut self) -> Self {
        self.idempotent = false;
        self
    }
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            max_retries: Self::DEFAULT_MAX_RETRIES,
            max_wait: Self::DEFAULT_MAX_WAIT,
            backoff: Backoff::default(),
            idempotent: false,
        }
    }
}
