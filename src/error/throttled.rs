//! A turn that did not come in time.

use std::{error::Error, fmt, sync::Arc, time::Duration};

/// The error of a request that was not sent, because its turn would have come too late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Throttled {
    key: Arc<str>,
    endpoint: Option<Arc<str>>,
    waited: Duration,
    retry_after: Option<Duration>,
}

// === impl Throttled ===

impl Throttled {
    pub(crate) const fn new(
        key: Arc<str>,
        endpoint: Option<Arc<str>>,
        waited: Duration,
        retry_after: Option<Duration>,
    ) -> Self {
        Self { key, endpoint, waited, retry_after }
    }

    /// How long from now on a request like this one would wait in vain: none of this key is sent, or those that wait take all
    /// turns there are. None if that depends on answers that are still to come.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// How long the request was held back; zero if it was clear at once that its turn comes too late.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.waited
    }

    /// The name of the quota: the origin, and what the layer was told to tell it apart by.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The pattern of the endpoint that the request was for; none if no pattern matched.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }
}

impl fmt::Display for Throttled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not sent: no turn in time within the limit of `{}`", self.key)?;
        match self.retry_after {
            Some(wait) => write!(f, ", the next one comes in {wait:?}"),
            None => Ok(()),
        }
    }
}

impl Error for Throttled {}
