//! A failing answer as an error.

use std::{error::Error, fmt, sync::Arc};

use bytes::Bytes;
use http::{Extensions, HeaderMap, StatusCode, response};

use crate::classify::{Classification, ErrorClass};

/// A failing answer turned into an error, with what is needed to act on it.
///
/// The headers and the body are the server's words and may hold what should not be logged: `Debug` and `Display` show
/// neither.
#[derive(Clone)]
pub struct ClassifiedError(Arc<Inner>);

struct Inner {
    classification: Classification,
    head: response::Parts,
    body: Bytes,
    body_is_whole: bool,
}

// === impl ClassifiedError ===

impl ClassifiedError {
    pub(crate) fn new(
        classification: Classification,
        head: response::Parts,
        body: Bytes,
        body_is_whole: bool,
    ) -> Self {
        Self(Arc::new(Inner { classification, head, body, body_is_whole }))
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
        self.0.head.status
    }

    /// The header fields.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.0.head.headers
    }

    /// What the layers inside have left on the answer.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.0.head.extensions
    }

    /// The beginning of the body: as much as the layer's bounds let it read.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }

    /// Whether that is all of it. If not, it was longer than the bound, or late, or broke off.
    #[must_use]
    pub fn body_is_whole(&self) -> bool {
        self.0.body_is_whole
    }
}

impl fmt::Debug for ClassifiedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassifiedError")
            .field("class", &self.class())
            .field("status", &self.0.head.status)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ClassifiedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the server answered {}, classed as {}",
            self.0.head.status.as_u16(),
            self.class()
        )
    }
}

impl Error for ClassifiedError {}
