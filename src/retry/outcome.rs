use std::{fmt, time::Duration};

/// How a call went, in the extensions of its response.
///
/// It is there if the request was sent more than once, and if the response is a failure. Errors cannot carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryOutcome {
    pub(super) attempts: u32,
    pub(super) waited: Duration,
    pub(super) stopped: Stopped,
    pub(super) retry_after: Option<Duration>,
}

/// Why a call ended: why there was no further retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stopped {
    /// The response is a success.
    Succeeded,
    /// The same request would fail again: 401, 403, another 4xx, 501, 505, or an unknown error.
    Final,
    /// The server may have carried the request out, and repeating it may do harm.
    NotRepeatable,
    /// The body cannot be sent again.
    BodyNotReplayable,
    /// The request carries [`NoRetry`](crate::extensions::NoRetry).
    NoRetry,
    /// As many retries as allowed have been made.
    MaxRetries,
    /// The wait would be longer than allowed for one wait.
    MaxWait,
    /// The wait would pass the deadline.
    Deadline,
    /// The budget that all callers share is empty.
    Budget,
}

// === impl RetryOutcome ===

impl RetryOutcome {
    /// How often the request was sent, the first time included.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The sum of the waits, each from the head of a failing response until the next attempt was due.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.waited
    }

    /// Why the request was not sent again.
    #[must_use]
    pub const fn stopped(&self) -> Stopped {
        self.stopped
    }

    /// How long the server asked to wait, counted from the head of this response. `None` after a success, and if the server did
    /// not ask.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

// === impl Stopped ===

impl Stopped {
    /// The reason in snake case, as in events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Final => "final",
            Self::NotRepeatable => "not_repeatable",
            Self::BodyNotReplayable => "body_not_replayable",
            Self::NoRetry => "no_retry",
            Self::MaxRetries => "max_retries",
            Self::MaxWait => "max_wait",
            Self::Deadline => "deadline",
            Self::Budget => "budget",
        }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
