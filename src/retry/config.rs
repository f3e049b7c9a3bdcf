use std::time::Duration;

use crate::retry::{Backoff, Limits};

/// How the requests to one endpoint are sent again; what
/// [`RetryOnRateLimit::endpoint`](super::RetryOnRateLimit::endpoint) hands to its closure.
///
/// # Defaults
///
/// For an endpoint: what the layer had been given when the endpoint was declared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Config {
    limits: Limits,
    idempotent: bool,
}

// === impl Config ===

impl Config {
    /// Sends after the first, at most; 0 never sends again and keeps no copy of the request.
    #[must_use]
    pub const fn max_retries(mut self, max_retries: u32) -> Self {
        self.limits.max_retries = max_retries;
        self
    }

    /// The waits where the server names none, and the jitter after every wait.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.limits.backoff = backoff;
        self
    }

    /// The longest wait between two sends, its jitter included. Where the server or the backoff asks for more, the
    /// answer is returned at once.
    #[must_use]
    pub const fn max_wait(mut self, max_wait: Duration) -> Self {
        self.limits.max_wait = max_wait;
        self
    }

    /// These requests may be sent again after any failure, whatever their method: sending one twice does no more than
    /// sending it once.
    ///
    /// The mark [`policy::Idempotent`](crate::extensions::Idempotent) says the same of one request.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    pub(super) const fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) const fn is_idempotent(&self) -> bool {
        self.idempotent
    }
}
