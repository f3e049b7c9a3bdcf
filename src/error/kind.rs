//! The kinds of errors that the layers make.

use std::{fmt, sync::Arc, time::Duration};

use super::Phase;

/// What happened, of an [`Error`](super::Error).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A time limit ran out: [`TimeoutLayer`](crate::TimeoutLayer), or a wait of another layer until the service is ready. The class
    /// of the latter is [`Throttled`](crate::classify::ErrorClass::Throttled) if nothing was sent. Without a class if the caller's upload
    /// had not ended, and [`Connect`](crate::classify::ErrorClass::Connect) if no connection was made.
    #[non_exhaustive]
    Timeout {
        /// The time limit, or what an earlier [`Deadline`](crate::extensions::Deadline) left of it when the call started.
        limit: Duration,
        /// The part of the call that ran out of time.
        phase: Phase,
    },
    /// The request was not sent, because no permit would come in time: [`ThrottleLayer`](crate::ThrottleLayer).
    #[non_exhaustive]
    Throttled {
        /// The name of the quota: the origin, and what else the layer was configured to tell quotas apart by.
        key: Arc<str>,
        /// The time for which the request was queued; zero if it was clear at once that no permit would come.
        waited: Duration,
        /// Whether the limit is known. If not, it waited for the first response of the server, which would show it.
        is_limit_known: bool,
        /// Whether the server has failed all requests lately (503 or 529 without `Retry-After`), so that none is queued. The class of
        /// its failures is the [cause](crate::classify::Classification::cause).
        is_down: bool,
    },
    /// The request was not sent, because those before it failed: [`CircuitBreakerLayer`](crate::CircuitBreakerLayer). The error has
    /// the time to the [next probe](super::Error::retry_after).
    #[non_exhaustive]
    CircuitOpen {
        /// The origin, and the pattern of the endpoint if that has a circuit of its own.
        key: Arc<str>,
    },
    /// The request was not sent, because no token was available: [`TokenCacheLayer`](crate::TokenCacheLayer). The source is
    /// the [`TokenError`](super::TokenError).
    TokenUnavailable,
    /// The request was not sent, because the token must not go to its origin: [`TokenCacheLayer`](crate::TokenCacheLayer).
    #[non_exhaustive]
    OriginNotAllowed {
        /// The origin of the request; `None` if its address names no http or https server.
        origin: Option<Box<str>>,
        /// Why it is not allowed.
        reason: &'static str,
    },
    /// The server's response was a failure: [`ErrorClassifyLayer::error_for_status`](crate::ErrorClassifyLayer::error_for_status).
    #[non_exhaustive]
    Response {
        /// Whether the [body](super::Error::response) is complete. If not, it was longer than the bound, late, or broke off.
        is_body_complete: bool,
    },
    /// The upstream is down and no response takes its place: [`FallbackLayer::fail_closed`](crate::FallbackLayer::fail_closed).
    UpstreamUnavailable,
    /// The request was not queued for the background and will not be sent: [`DetachLayer`](crate::DetachLayer).
    #[non_exhaustive]
    NotQueued {
        /// Why it was not queued.
        reason: NotQueuedReason,
    },
    /// The fetch of a response failed for all its waiters: `ResponseCacheLayer`. The source is the client's error.
    FetchFailed,
    /// The body of the request itself failed, or ended before its announced length: [`ReplayBody`](crate::body::ReplayBody). The
    /// source is the body's error. It says nothing about the server, so there is no class.
    RequestBody,
    /// A request body cannot be sent again: [`ReplayBody`](crate::body::ReplayBody).
    #[non_exhaustive]
    ReplayBody {
        /// Why it cannot.
        reason: NotReplayable,
    },
}

/// Why a request was not queued for the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotQueuedReason {
    /// The queue is full, and as many requests are in flight as may be.
    #[non_exhaustive]
    Full {
        /// The number of requests that the queue holds.
        max_queued: usize,
    },
    /// The queue was shut down.
    ShutDown,
    /// The call was made outside of a tokio runtime.
    NoRuntime,
}

/// Why a request body cannot be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotReplayable {
    /// The body grew beyond the cap, so that its beginning is not kept any more.
    #[non_exhaustive]
    TooLarge {
        /// The cap, in bytes.
        max_bytes: usize,
    },
    /// A later attempt has taken over the body.
    Superseded,
    /// The body failed, or ended before its announced length, in an earlier attempt.
    Broken,
}

// === impl ErrorKind ===

impl ErrorKind {
    /// The kind in snake case.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Timeout { .. } => "timeout",
            Self::Throttled { .. } => "throttled",
            Self::CircuitOpen { .. } => "circuit_open",
            Self::TokenUnavailable => "token_unavailable",
            Self::OriginNotAllowed { .. } => "origin_not_allowed",
            Self::Response { .. } => "response",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::NotQueued { .. } => "not_queued",
            Self::FetchFailed => "fetch_failed",
            Self::RequestBody => "request_body",
            Self::ReplayBody { .. } => "replay_body",
        }
    }
}

impl NotQueuedReason {
    /// The reason in snake case, as in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full { .. } => "full",
            Self::ShutDown => "shut_down",
            Self::NoRuntime => "no_runtime",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout { limit, phase } => {
                write!(f, "time limit of {limit:?} exceeded while {phase}")
            }
            Self::Throttled { key, is_down: true, .. } => {
                write!(f, "not sent: `{key}` fails all requests")
            }
            Self::Throttled { key, is_limit_known: false, .. } => {
                write!(f, "not sent: the first response of `{key}` did not come in time")
            }
            Self::Throttled { key, .. } => {
                write!(f, "not sent: no permit in time within the limit of `{key}`")
            }
            Self::CircuitOpen { key } => write!(f, "not sent: the circuit of `{key}` is open"),
            Self::TokenUnavailable => f.write_str("not sent: no token available"),
            Self::OriginNotAllowed { origin: None, reason } => {
                write!(f, "token not sent: {reason}")
            }
            Self::OriginNotAllowed { origin: Some(origin), reason } => {
                write!(f, "token not sent to {origin}: {reason}")
            }
            Self::Response { .. } => f.write_str("the server's response is a failure"),
            Self::UpstreamUnavailable => f.write_str("the upstream is unavailable"),
            Self::NotQueued { reason } => write!(f, "not queued: {reason}"),
            Self::FetchFailed => f.write_str("the shared fetch failed"),
            Self::RequestBody => f.write_str("the body of the request failed"),
            Self::ReplayBody { reason } => write!(f, "the body cannot be sent again: {reason}"),
        }
    }
}

impl fmt::Display for NotQueuedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { max_queued } => {
                write!(f, "the background queue is full with {max_queued} requests")
            }
            Self::ShutDown => f.write_str("the background queue was shut down"),
            Self::NoRuntime => f.write_str("no tokio runtime to send it in"),
        }
    }
}

impl fmt::Display for NotReplayable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { max_bytes } => write!(f, "it is longer than {max_bytes} bytes"),
            Self::Superseded => f.write_str("a later attempt has taken it over"),
            Self::Broken => f.write_str("it broke off in an earlier attempt"),
        }
    }
}
