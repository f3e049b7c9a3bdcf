//! Each of our errors as a response.

use axum_core::response::{IntoResponse, Response};

use super::UpstreamError;
use crate::{
    Error, body::ReplayError, detach::NotQueued, error::InvalidConfig,
    fallback::UpstreamUnavailable, timeout::Elapsed, token_cache::TokenError,
};

macro_rules! responses {
    ($($error:ty),* $(,)?) => {
        $(
            /// As the page of [`axum`](crate::integrations::axum) has it.
            #[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
            impl IntoResponse for $error {
                fn into_response(self) -> Response {
                    UpstreamError::from(self).into_response()
                }
            }
        )*
    };
}

responses![Elapsed, Error, InvalidConfig, NotQueued, ReplayError, TokenError, UpstreamUnavailable,];
