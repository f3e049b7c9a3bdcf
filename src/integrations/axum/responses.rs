//! The crate's own errors as responses.

use axum_core::response::{IntoResponse, Response};

use super::UpstreamError;
use crate::error::{Error, InvalidConfig, TokenError};

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

responses![Error, InvalidConfig, TokenError];
