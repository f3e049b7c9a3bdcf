//! What an error is to the app's own caller.

use std::{error::Error, time::Duration};

use axum_core::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};

use super::UpstreamError;
use crate::{
    classify::{Classification, ErrorClass},
    detach::{NotQueued, Obstacle},
    error::{ErrorKind, InvalidConfig, TokenErrorKind, find},
    fallback::UpstreamUnavailable,
    headers::retry_after_seconds,
    token_cache::TokenError,
};

/// A problem by RFC 9457, of fixed words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// The upstream cannot be used for a while.
    Unavailable { seconds: u64 },
    /// It did not answer in time.
    Late,
    /// It gave no answer that is of use to the app.
    NoAnswer,
    /// The app did something wrong.
    Own,
}

// === impl Problem ===

impl Problem {
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        if let Some(error) = find::<UpstreamUnavailable>(error) {
            return Self::unavailable(error.retry_after());
        }
        let not_allowed =
            |error: &crate::Error| matches!(error.kind(), ErrorKind::OriginNotAllowed { .. });
        if find::<InvalidConfig>(error).is_some() || find(error).is_some_and(not_allowed) {
            return Self::Own;
        }
        let Some(found) = Classification::of_error(error) else { return Self::unclassed(error) };
        let token = find::<TokenError>(error).map(TokenError::kind);
        match (found.class(), token) {
            (
                ErrorClass::TokenUnavailable,
                Some(TokenErrorKind::Rejected | TokenErrorKind::Malformed),
            ) => Self::NoAnswer,
            (
                ErrorClass::TokenUnavailable
                | ErrorClass::RateLimited
                | ErrorClass::Throttled
                | ErrorClass::Unavailable,
                _,
            ) => Self::unavailable(found.retry_after()),
            (ErrorClass::Timeout, _) => Self::Late,
            (
                ErrorClass::Connect
                | ErrorClass::Interrupted
                | ErrorClass::Unauthenticated
                | ErrorClass::Forbidden
                | ErrorClass::Rejected,
                _,
            ) => Self::NoAnswer,
        }
    }

    /// Errors that mean nothing to a retry, and something to a caller.
    fn unclassed(error: &(dyn Error + 'static)) -> Self {
        // Another instance of the app may take it on.
        let is_shut_down = |error: &NotQueued| error.obstacle() == Obstacle::ShutDown;
        if find::<NotQueued>(error).is_some_and(is_shut_down) {
            return Self::unavailable(None);
        }
        Self::Own
    }

    fn unavailable(wait: Option<Duration>) -> Self {
        let wait = wait.unwrap_or(UpstreamError::DEFAULT_RETRY_AFTER);
        Self::Unavailable { seconds: retry_after_seconds(wait) }
    }

    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Late => StatusCode::GATEWAY_TIMEOUT,
            Self::NoAnswer => StatusCode::BAD_GATEWAY,
            Self::Own => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Of the type `about:blank` the title is that of the status (RFC 9457 section 4.2.1), and this says the rest. The
    /// words hold nothing that JSON would have to escape.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Unavailable { .. } => (
                "Service Unavailable",
                "A service that this one depends on cannot be used right now.",
            ),
            Self::Late => {
                ("Gateway Timeout", "A service that this one depends on did not answer in time.")
            }
            Self::NoAnswer => (
                "Bad Gateway",
                "A service that this one depends on gave no answer that can be used.",
            ),
            Self::Own => ("Internal Server Error", "The request could not be carried out."),
        }
    }

    fn json(self) -> String {
        let (title, detail) = self.words();
        let status = self.status().as_u16();
        let mut json = format!(
            r#"{{"type":"about:blank","title":"{title}","status":{status},"detail":"{detail}""#
        );
        if let Self::Unavailable { seconds } = self {
            json.push_str(&format!(r#","retry_after":{seconds}"#));
        }
        json.push('}');
        json
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.json()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Self::Unavailable { seconds } = self {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
