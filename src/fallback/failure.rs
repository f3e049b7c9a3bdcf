use std::{fmt, sync::Arc, time::Duration};

use http::{Method, Uri};

use crate::classify::{Classification, ErrorClass};

/// A call that came to nothing: what was asked, and what went wrong. The closure of
/// [`FallbackLayer::fail_open`](super::FallbackLayer::fail_open) gets one.
#[derive(Clone)]
pub struct Failure {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) endpoint: Option<Arc<str>>,
    pub(super) classification: Classification,
}

// === impl Failure ===

impl Failure {
    /// The method of the request.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The address of the request, its query included.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The pattern of the endpoint; none if no pattern matched.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// What the failure means, in a word.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        self.classification.class()
    }

    /// What the failure means.
    #[must_use]
    pub const fn classification(&self) -> &Classification {
        &self.classification
    }

    /// How long not to ask the upstream again, counted from the failure; none if nothing is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.classification.retry_after()
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A query may hold what is not for a log.
        f.debug_struct("Failure")
            .field("method", &self.method)
            .field("path", &self.uri.path())
            .field("endpoint", &self.endpoint)
            .field("classification", &self.classification)
            .finish_non_exhaustive()
    }
}
