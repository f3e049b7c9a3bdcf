use std::time::Duration;

use crate::retry::Stopped;

/// What became of a call, in the extensions of its answer.
///
/// It is there when the request was sent more than once, and when the answer is a failure. A success at the first send
/// carries none: there is nothing to say. Errors cannot carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryOutcome {
    sends: u32,
    waited: Duration,
    stopped: Stopped,
    retry_after: Option<Duration>,
}

// === impl RetryOutcome ===

impl RetryOutcome {
    pub(super) const fn new(
        sends: u32,
        waited: Duration,
        stopped: Stopped,
        retry_after: Option<Duration>,
    ) -> Self {
        Self { sends, waited, stopped, retry_after }
    }

    /// How often the request was sent, the first time included.
    #[must_use]
    pub const fn sends(&self) -> u32 {
        self.sends
    }

    /// The sum of the waits, each from the head of a failed answer to the point at which the request might be sent
    /// again.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.waited
    }

    /// Why it was not sent again.
    #[must_use]
    pub const fn stopped(&self) -> Stopped {
        self.stopped
    }

    /// How long the server asked to wait, from the moment the head of this answer was read; none after a success, and
    /// where it asked for nothing.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}
