use std::fmt;

/// Why a call ended with the answer that it ended with: why no (further) retry was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stopped {
    /// The answer is a success.
    Succeeded,
    /// Sending the same request again would not help: 401, 403, another 4xx, 501, 505, or an error of unknown meaning.
    Final,
    /// The server may have carried the request out, and carrying it out twice may do harm.
    NotRepeatable,
    /// The body cannot be sent again.
    BodyNotReplayable,
    /// The request carries [`NoRetry`](crate::extensions::NoRetry).
    NoRetry,
    /// As many retries as allowed have been made.
    MaxRetries,
    /// The wait would be longer than allowed for one wait.
    MaxWait,
    /// The wait would end after the deadline.
    Deadline,
    /// The retries that all callers share are used up.
    Budget,
}

// === impl Stopped ===

impl Stopped {
    /// The reason in snake case, as it stands in events and metrics.
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
