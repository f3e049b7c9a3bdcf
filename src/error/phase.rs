//! The parts of a call.

use std::fmt;

/// What a call was doing when its time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// A layer held the request back: it waited for a reset, for a permit, or for a token.
    Waiting,
    /// A connection was being made: [`ConnectTimeout`](crate::timeout::ConnectTimeout). The request was never sent.
    Connecting,
    /// The body of the request was being read, by [`ReplayBody`](crate::body::ReplayBody). Whether the caller or the server was slow is
    /// not known, so the error has no class.
    Uploading,
    /// The request was sent, and the head of the response had not arrived.
    Headers,
    /// The head had arrived, and the body had not ended.
    Body,
}

// === impl Phase ===

impl Phase {
    /// The phase in snake case, as in events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Connecting => "connecting",
            Self::Uploading => "uploading",
            Self::Headers => "headers",
            Self::Body => "body",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting to be sent",
            Self::Connecting => "connecting",
            Self::Uploading => "reading the request body",
            Self::Headers => "waiting for the response head",
            Self::Body => "reading the response body",
        })
    }
}
