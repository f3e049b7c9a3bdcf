//! Classes of failures.

use std::fmt;

use http::StatusCode;

use crate::body::Upload;

/// What a failing response or error *means*, whichever way the provider spells it.
///
/// A success has no class. The names are the same in logs, metrics and code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The server rejected the request because of a rate limit: 429, 420, a status that the response itself calls a limit, or HTTP/2's
    /// `ENHANCE_YOUR_CALM`.
    /// The request was not carried out. Never an authentication failure.
    RateLimited,
    /// The credentials were not accepted: 401, the 440, 498 and 561 of some vendors, and 422 from Clerk.
    Unauthenticated,
    /// The credentials were accepted and do not allow this: 403.
    Forbidden,
    /// Nothing arrived in time: 408, 504, a time limit of this crate, `io::ErrorKind::TimedOut`. The request may have been
    /// carried out.
    Timeout,
    /// The server cannot do it now: 425 and every other 5xx. The request may have been
    /// carried out, except for 425 (RFC 8470 section 5.2).
    Unavailable,
    /// No connection was made, or the server turned the request away unprocessed, as HTTP/2's `GOAWAY` and `REFUSED_STREAM` say.
    Connect,
    /// The connection broke half way. The request may have been carried out.
    Interrupted,
    /// The server does not accept this request: every other 4xx.
    Rejected,
    /// Not sent: no permit would come in time, the service was not ready in time, the background queue is full, the circuit is
    /// open, or the throttle has seen that the server fails everything. The last two are not retried.
    Throttled,
    /// Not sent: no token was available.
    TokenUnavailable,
}

/// A set of classes, one bit for each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Classes(u16);

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

    /// Whether a failure with this status is about its request, by which a client can cause it, and not about the server.
    pub(crate) fn is_about_request(self, status: Option<StatusCode>) -> bool {
        let is_servers =
            matches!(self, Self::Timeout | Self::Unavailable | Self::Connect | Self::Interrupted);
        is_servers
            && matches!(
                status,
                Some(
                    StatusCode::REQUEST_TIMEOUT
                        | StatusCode::TOO_EARLY
                        | StatusCode::NOT_IMPLEMENTED
                        | StatusCode::HTTP_VERSION_NOT_SUPPORTED
                )
            )
            // gRPC's `DEADLINE_EXCEEDED`: the client has chosen the deadline.
            || self == Self::Timeout && status == Some(StatusCode::OK)
    }

    /// Whether the failure may be due to a caller who is slow with the request's body.
    pub(crate) fn is_about_upload(self, upload: Option<&Upload>) -> bool {
        matches!(self, Self::Timeout | Self::Interrupted)
            && upload.is_some_and(Upload::is_in_progress)
    }

    /// The class in snake case, as in events and metrics.
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

// === impl Classes ===

impl Classes {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn with(self, class: ErrorClass) -> Self {
        Self(self.0 | bit(class))
    }

    pub(crate) const fn without(self, class: ErrorClass) -> Self {
        Self(self.0 & !bit(class))
    }

    /// Those that are in both.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are in one of them.
    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are not in the other.
    pub(crate) const fn except(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn contains(self, class: ErrorClass) -> bool {
        self.0 & bit(class) != 0
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

const fn bit(class: ErrorClass) -> u16 {
    1 << class as u16
}

impl fmt::Debug for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(ErrorClass::ALL.iter().filter(|class| self.contains(**class)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_is_put_in_and_taken_out_alone() {
        for class in ErrorClass::ALL {
            let one = Classes::NONE.with(class);
            for other in ErrorClass::ALL {
                assert_eq!(one.contains(other), class == other, "{class} and {other}");
            }
            assert_eq!(format!("{one:?}"), format!("{{{class:?}}}"));
            assert!(one.without(class).is_empty());
        }
    }
}
