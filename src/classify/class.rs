//! What a failing answer means.

use std::fmt;

/// What a failing answer or error *means*, whatever the provider spelled.
///
/// A success has no class. The words are the same in logs, metrics and code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The server refused because of a limit: 429, 420, or a status that the answer itself says is a limit. The request
    /// was not carried out. Never an authentication failure.
    RateLimited,
    /// The credentials were not accepted: 401, and 422 in Clerk's dialect.
    Unauthenticated,
    /// The credentials were accepted and do not allow this: 403.
    Forbidden,
    /// Nothing came in time: 408, 504, a time limit of ours, `io::ErrorKind::TimedOut`. It may have been carried out.
    Timeout,
    /// The server cannot do it now: 425 and every other 5xx. It may have been carried out.
    Unavailable,
    /// No connection was made, or the server refused the stream unprocessed: the request never left.
    Connect,
    /// The connection broke half way. It may have been carried out.
    Interrupted,
    /// The server does not want this request: every other 4xx.
    Rejected,
    /// Refused here, before sending, because the wait for a turn would have been too long, or the background queue is full.
    Throttled,
    /// Not sent, because no token could be had for it.
    TokenUnavailable,
}

// === impl ErrorClass ===

impl ErrorClass {
    pub(crate) const ALL: [Self; 10] = [
        Self::RateLimited,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::Timeout,
        Self::Unavailable,
        Self::Connect,
        Self::Interrupted,
        Self::Rejected,
        Self::Throttled,
        Self::TokenUnavailable,
    ];

    /// The class in snake case, as it stands in events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Connect => "connect",
            Self::Interrupted => "interrupted",
            Self::Rejected => "rejected",
            Self::Throttled => "throttled",
            Self::TokenUnavailable => "token_unavailable",
        }
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
