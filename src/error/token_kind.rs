//! The kinds of token errors.

use crate::classify::ErrorClass;

/// Why no token is available, of a [`TokenError`](super::TokenError).
///
/// It decides the cooldown: the time after a failed fetch in which no other fetch begins.
///
/// | kind | cooldown |
/// |---|---|
/// | any, with `retry_after` | that, from 1 s to 24 h, plus up to a tenth of it and at most 30 s; from the second failure on the row below at least |
/// | `RateLimited`, `Rejected`, `Malformed` | 5 s doubling to 5 min, plus up to a half |
/// | `Unavailable`, `Timeout` | 0.5 s doubling to 30 s, plus up to a half |
///
/// A success resets all rows. The short row and the long rows are counted separately: a server that alternates between 429 and
/// 503 still reaches 5 min.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenErrorKind {
    /// The token endpoint rate limited the request: 429, or any 5xx but 504 with a wait.
    RateLimited,
    /// The token endpoint is down: it cannot be reached, the connection broke, or 5xx.
    Unavailable,
    /// The token did not arrive in time.
    Timeout,
    /// The token endpoint rejected these credentials or this request: 400, 401, 403 and every other 4xx.
    Rejected,
    /// The response holds no token that can be used.
    Malformed,
}

// === impl TokenErrorKind ===

impl TokenErrorKind {
    /// The kind in snake case, as in events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Rejected => "rejected",
            Self::Malformed => "malformed",
        }
    }

    /// The kind of a token endpoint's response or error of this class.
    pub(crate) const fn of_class(class: ErrorClass) -> Self {
        match class {
            ErrorClass::RateLimited | ErrorClass::Throttled => Self::RateLimited,
            ErrorClass::Timeout => Self::Timeout,
            ErrorClass::Unauthenticated | ErrorClass::Forbidden | ErrorClass::Rejected => {
                Self::Rejected
            }
            ErrorClass::Unavailable
            | ErrorClass::Connect
            | ErrorClass::Interrupted
            | ErrorClass::TokenUnavailable => Self::Unavailable,
        }
    }

    /// The class that a retry or a fallback treats it as.
    pub(crate) const fn class(self) -> ErrorClass {
        match self {
            Self::RateLimited => ErrorClass::RateLimited,
            Self::Unavailable | Self::Malformed => ErrorClass::Unavailable,
            Self::Timeout => ErrorClass::Timeout,
            Self::Rejected => ErrorClass::Rejected,
        }
    }
}
