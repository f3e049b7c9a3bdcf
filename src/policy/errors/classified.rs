//! A failing answer as an error.

use std::{error::Error, fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::policy::{Classification, ErrorClass};

/// A failing answer turned into an error, with what is needed to act on it.
///
/// The headers and the body are the server's words and may hold what should not be logged: `Debug` and `Display` show
/// neither.
#[derive(Clone)]
pub struct ClassifiedError(Arc<Inner>);

struct Inner {
    classification: Classification,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

// === impl ClassifiedError ===

impl ClassifiedError {
    pub(crate) fn new(
        classification: Classification,
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
    ) -> Self {
        Self(Arc::new(Inner { classification, status, headers, body }))
    }

    /// What the answer means, and how long to wait.
    #[must_use]
    pub fn classification(&self) -> &Classification {
        &self.0.classification
    }

    /// What the answer means.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        self.0.classification.class()
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The header fields.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// The beginning of the body, up to the layer's bound.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }
}

impl fmt::Debug for ClassifiedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassifiedError")
            .field("class", &self.class())
            .field("status", &self.0.status)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ClassifiedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered {}, classed as {}", self.0.status.as_u16(), self.class())
    }
}

impl Error for ClassifiedError {}
