//! An upstream that failed, where failing is to be said and not hidden.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use crate::{
    classify::{Classification, ErrorClass},
    error::BoxError,
    headers::retry_after_seconds,
};

/// The upstream cannot be used, for a reason that is not the caller's.
///
/// It stands in the place of the upstream's own answer or error, so that a 401 or a 429 which was meant for this program is
/// not passed on as if it were meant for this program's caller. The error that it stands for is its
/// [`source`](Error::source), and found by [`find`](crate::error::find); an answer that it stands for is gone. Neither
/// `Display` nor `Debug` show the source.
#[derive(Clone)]
pub struct UpstreamUnavailable {
    classification: Classification,
    endpoint: Option<Arc<str>>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

// === impl UpstreamUnavailable ===

impl UpstreamUnavailable {
    pub(crate) fn new(
        classification: Classification,
        endpoint: Option<Arc<str>>,
        source: Option<BoxError>,
    ) -> Self {
        Self { classification, endpoint, source: source.map(Arc::from) }
    }

    /// What the failure means.
    #[must_use]
    pub const fn classification(&self) -> &Classification {
        &self.classification
    }

    /// What the failure means, in a word.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        self.classification.class()
    }

    /// How long not to ask again, counted from the failure; none if nothing is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.classification.retry_after()
    }

    /// The same for a `Retry-After` field: rounded up to whole seconds, at least one and at most a day.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after().map(retry_after_seconds)
    }

    /// The pattern of the endpoint that was called; none if no pattern matched.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }
}

impl fmt::Debug for UpstreamUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamUnavailable")
            .field("class", &self.class())
            .field("status", &self.classification.status())
            .field("retry_after", &self.retry_after())
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for UpstreamUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the upstream cannot be used, classed as {}", self.class())?;
        if let Some(status) = self.classification.status() {
            write!(f, " ({})", status.as_u16())?;
        }
        match &self.endpoint {
            Some(endpoint) => write!(f, " at `{endpoint}`"),
            None => Ok(()),
        }
    }
}

impl Error for UpstreamUnavailable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
