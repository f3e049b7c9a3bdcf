//! A time limit that ran out.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use super::Phase;

/// The error of a call whose time limit ran out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elapsed {
    limit: Duration,
    phase: Phase,
    endpoint: Option<Arc<str>>,
}

// === impl Elapsed ===

impl Elapsed {
    pub(crate) const fn new(limit: Duration, phase: Phase, endpoint: Option<Arc<str>>) -> Self {
        Self { limit, phase, endpoint }
    }

    /// The time limit: from the start of the call to the end of the response body. Where the request brought an earlier
    /// [`Deadline`](crate::extensions::Deadline), what that left at the start of the call.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }

    /// The part of the call that ran out of time.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The pattern of the endpoint that was called; none where the layer has no pattern for it.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self.phase {
            Phase::Waiting => "waiting to be sent",
            Phase::Headers => "waiting for the response head",
            Phase::Body => "reading the response body",
        };
        write!(f, "time limit of {:?} ran out while {part}", self.limit)?;
        match &self.endpoint {
            Some(endpoint) => write!(f, " of `{endpoint}`"),
            None => Ok(()),
        }
    }
}

impl Error for Elapsed {}
