use std::time::Duration;

use super::Backoff;

/// Settings of [`RetryOnRateLimit`](super::RetryOnRateLimit) for one endpoint. They start from the settings so far.
#[derive(Clone, Copy, Debug)]
pub struct RetryConfig {
    pub(super) rate_limits: Retries,
    pub(super) failures: Retries,
    /// The most retries of both kinds together.
    pub(super) max_retries: u32,
    pub(super) max_wait: Duration,
    pub(super) idempotent: bool,
}

/// How often a call is sent again for one reason, and the waits in between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retries {
    pub(super) max: u32,
    pub(super) backoff: Backoff,
}

// === impl RetryConfig ===

impl RetryConfig {
    /// Five, after rate limits: with steps that double from one second they span more than half a minute.
    pub const DEFAULT_MAX_RETRIES: u32 = 5;

    /// Ninety seconds: the longest wait for a quota per minute, with room for jitter.
    pub const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(90);

    /// Sets the retries of requests that the server asked to send later: rate limited, or 503 and 529 with `Retry-After`. The closure
    /// starts from the settings so far. Default: [`Retries::RATE_LIMITS`].
    #[must_use]
    pub fn rate_limits(mut self, configure: impl FnOnce(Retries) -> Retries) -> Self {
        self.rate_limits = configure(self.rate_limits);
        self
    }

    /// Sets the retries after failures of the server or the connection. The closure starts from the settings so far. Default:
    /// [`Retries::FAILURES`].
    #[must_use]
    pub fn failures(mut self, configure: impl FnOnce(Retries) -> Retries) -> Self {
        self.failures = configure(self.failures);
        self
    }

    /// Sets the largest number of retries, in all and for each of rate limits and failures. Where a [`ThrottleLayer`](crate::ThrottleLayer) inside makes them wait, up to eight attempts within the time of one backoff step count as
    /// one retry. With 0 a request is sent again only for a replaced token, which is no retry; [`NoRetry`](crate::extensions::NoRetry)
    /// forbids that too.
    #[must_use]
    pub const fn max_retries(mut self, max_retries: u32) -> Self {
        self.rate_limits = self.rate_limits.max(max_retries);
        self.failures = self.failures.max(max_retries);
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

    /// Sets the waits if the server names none, and the jitter after every wait, for rate limits and for failures alike.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.rate_limits = self.rate_limits.backoff(backoff);
        self.failures = self.failures.backoff(backoff);
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
            rate_limits: Retries::RATE_LIMITS,
            failures: Retries::FAILURES,
            max_retries: u32::MAX,
            max_wait: Self::DEFAULT_MAX_WAIT,
            idempotent: false,
        }
    }
}

// === impl Retries ===

impl Retries {
    /// [`RetryConfig::DEFAULT_MAX_RETRIES`], with the default [`Backoff`].
    pub const RATE_LIMITS: Self =
        Self { max: RetryConfig::DEFAULT_MAX_RETRIES, backoff: Backoff::RATE_LIMITS };

    /// Two, after 200 ms and 400 ms and as much jitter: enough for a restart or a server that is replaced. A caller who waits for a
    /// server that is down learns of it within about a second.
    pub const FAILURES: Self = Self { max: 2, backoff: Backoff::FAILURES };

    /// Sets the number of retries after the first attempt, at most.
    #[must_use]
    pub const fn max(mut self, max: u32) -> Self {
        self.max = max;
        self
    }

    /// Sets the waits if the server names none, and the jitter after every wait.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// No retries for this reason.
    #[must_use]
    pub const fn off(self) -> Self {
        self.max(0)
    }
}
