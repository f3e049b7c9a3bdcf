use std::{error::Error, fmt, sync::Arc, time::Duration};

use axum_core::response::{IntoResponse, Response};
use http::StatusCode;

use super::problem::Problem;
use crate::{
    BoxError,
    classify::Classification,
    error::{self, InvalidConfig, TokenError},
};

/// Any error of a call, as the response of a handler.
///
/// The operator `?` converts a [`BoxError`], and every error that becomes one. The response is the one that the [module page](super)
/// lists for the error. Its extensions contain the `UpstreamError`, for a layer that logs.
///
/// It does not implement [`Error`], because it converts from every `Error`.
#[derive(Clone)]
pub struct UpstreamError(Arc<dyn Error + Send + Sync>);

// === impl UpstreamError ===

impl UpstreamError {
    /// The `Retry-After` of a 503 if the time to wait is unknown: five seconds. Long enough for a restart, short enough to wait for.
    pub const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(5);

    /// The error.
    #[must_use]
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }

    /// The classification of the error; none for an unknown error.
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
        // Without its `Classification`, which is the upstream's: a layer outside would take it for this response's own.
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

// === impl IntoResponse ===

macro_rules! responses {
    ($($error:ty),* $(,)?) => {
        $(
            /// See the page of [`axum`](crate::integrations::axum).
            #[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
            impl IntoResponse for $error {
                fn into_response(self) -> Response {
                    UpstreamError::from(self).into_response()
                }
            }
        )*
    };
}

responses![error::Error, InvalidConfig, TokenError];
