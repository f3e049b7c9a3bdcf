//! The errors of a call that is not sent.

use std::sync::Arc;

use super::TokenError;
use crate::{
    BoxError,
    classify::Classification,
    error::{Details, Error, ErrorKind},
};

/// No token was available for the request.
pub(super) fn unavailable(error: TokenError, endpoint: Option<Arc<str>>) -> BoxError {
    let classification = Classification::of_error(&error);
    let details = Details { classification, endpoint, source: Some(error.into()), response: None };
    Error::new(ErrorKind::TokenUnavailable, details).into()
}

/// The token must not go to the request's origin.
pub(super) fn not_allowed(kind: ErrorKind, endpoint: Option<Arc<str>>) -> BoxError {
    Error::new(kind, Details { endpoint, ..Details::default() }).into()
}
