use std::{error::Error, fmt, sync::Arc, time::Duration};

use axum_core::response::{IntoResponse, Response};
use http::StatusCode;

use super::problem::Problem;
use crate::{BoxError, classify::Classification};

/// Any error of a call, as the answer of a handler.
///
/// It is made by `?` from a [`BoxError`] and from every error that becomes one. As a response it is what the
/// [module page](super) has for the error in it, which it carries in its extensions, as an `UpstreamError`, for a layer that logs.
///
/// It is no [`Error`] itself, because it is made from all of them.
#[derive(Clone)]
pub struct UpstreamError(Arc<dyn Error + Send + Sync>);

// === impl UpstreamError ===

impl UpstreamError {
    /// The `Retry-After` of a 503 where nothing is known of how long the upstream will be out: five seconds. Long enough for
    /// a restart, and short enough to be waited for.
    pub const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(5);

    /// The error.
    #[must_use]
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }

    /// What it means; none for an error of unknown meaning.
    #[must_use]
    pub fn classification(&self) -> Option<Classification> {
        Classification::of_error(&*self.0)
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        Problem::of(&*self.0).status()
    }
}

impl<E: Into<BoxError>> From<E> for UpstreamError {
    fn from(error: E) -> Self {
        Self(Arc::from(error.into()))
    }
}

impl IntoResponse for UpstreamError {
    fn into_response(self) -> Response {
        let mut response = Problem::of(&*self.0).into_response();
        // Not its `Classification`: that is what the upstream's answer means, and a layer would take it for what this one does.
        response.extensions_mut().insert(self);
        response
    }
}

impl fmt::Debug for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UpstreamError").field(&self.0).finish()
    }
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
