use std::{fmt, sync::Arc, time::Duration};

use http::{Method, Uri};

use crate::classify::{Classification, ErrorClass};

/// A request that failed, and how. The closure of [`FallbackLayer::fail_open`](super::FallbackLayer::fail_open) gets one.
#[derive(Clone)]
pub struct FailedRequest {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) endpoint: Option<Arc<str>>,
    pub(super) classification: Classification,
}

// === impl FailedRequest ===

impl FailedRequest {
    /// The method of the request.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The URI of the request, including its query.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The pattern of the endpoint; none if no pattern matched.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// The class of the failure.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        self.classification.class()
    }

    /// The class of the failure with the status and what the headers said.
    #[must_use]
    pub const fn classification(&self) -> &Classification {
        &self.classification
    }

    /// How long not to call the upstream, counted from the failure; none if that is unknown.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.classification.retry_after()
    }
}

/// Leaves out the query, which may contain a secret.
impl fmt::Debug for FailedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedRequest")
            .field("method", &self.method)
            .field("path", &self.uri.path())
            .field("endpoint", &self.endpoint)
            .field("classification", &self.classification)
            .finish_non_exhaustive()
    }
}
