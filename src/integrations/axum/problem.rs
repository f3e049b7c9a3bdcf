//! The response that an error becomes.

use std::{error::Error as StdError, time::Duration};

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
    error::{
        Error, ErrorKind, InvalidConfig, NotQueuedReason, Phase, TokenError, TokenErrorKind, as_a,
        chain, find,
    },
};

/// A problem by RFC 9457, with a fixed text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// 503: the upstream cannot be used for a while.
    Unavailable { seconds: u64 },
    /// 504: the upstream did not respond in time.
    Timeout,
    /// 502: the upstream's response is of no use to the app.
    BadGateway,
    /// 400: the body of the caller's request broke off.
    BadRequest,
    /// 408: the body of the caller's request did not arrive in time.
    RequestTimeout,
    /// 500: the app made a mistake, or the error is unknown.
    Internal,
}

// === impl Problem ===

impl Problem {
    pub(super) fn of(error: &(dyn StdError + 'static)) -> Self {
        let ours = || chain(error).filter_map(as_a::<Error>);
        if let Some(error) = ours().find(|error| *error.kind() == ErrorKind::UpstreamUnavailable) {
            return Self::unavailable(error.retry_after());
        }
        let is_refused = |error: &Error| matches!(error.kind(), ErrorKind::OriginNotAllowed { .. });
        if find::<InvalidConfig>(error).is_some() || ours().any(is_refused) {
            return Self::Internal;
        }
        match Classification::of_error(error) {
            Some(found) => Self::of_classification(&found, find::<TokenError>(error)),
            None => Self::of_unclassified(error),
        }
    }

    fn of_classification(found: &Classification, token: Option<&TokenError>) -> Self {
        match (found.class(), token.map(TokenError::kind)) {
            (
                ErrorClass::TokenUnavailable,
                Some(TokenErrorKind::Rejected | TokenErrorKind::Malformed),
            ) => Self::BadGateway,
            (
                ErrorClass::TokenUnavailable
                | ErrorClass::RateLimited
                | ErrorClass::Throttled
                | ErrorClass::Unavailable,
                _,
            ) => Self::unavailable(found.retry_after()),
            (ErrorClass::Timeout, _) => Self::Timeout,
            (
                ErrorClass::Connect
                | ErrorClass::Interrupted
                | ErrorClass::Unauthenticated
                | ErrorClass::Forbidden
                | ErrorClass::Rejected,
                _,
            ) => Self::BadGateway,
        }
    }

    /// Errors without a class for a retry, but with a meaning for a caller.
    fn of_unclassified(error: &(dyn StdError + 'static)) -> Self {
        let shut_down = ErrorKind::NotQueued { reason: NotQueuedReason::ShutDown };
        match find::<Error>(error).map(Error::kind) {
            // Another instance of the app may accept the request.
            Some(kind) if *kind == shut_down => Self::unavailable(None),
            Some(ErrorKind::RequestBody) => Self::BadRequest,
            Some(ErrorKind::Timeout { phase: Phase::Uploading, .. }) => Self::RequestTimeout,
            // A handler reads JSON out of a response: that of the upstream, or what it responds instead, such as a page for a 404.
            _ if find::<serde_json::Error>(error).is_some_and(|error| !error.is_io()) => {
                Self::BadGateway
            }
            _ => Self::Internal,
        }
    }

    fn unavailable(wait: Option<Duration>) -> Self {
        let wait = wait.unwrap_or(UpstreamError::DEFAULT_RETRY_AFTER);
        Self::Unavailable { seconds: retry_after_seconds(wait) }
    }

    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::BadGateway => StatusCode::BAD_GATEWAY,
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The title and the detail. With the type `about:blank` the title is that of the status (RFC 9457 section 4.2.1). Neither
    /// needs escaping in JSON.
    const fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::Unavailable { .. } => (
                "Service Unavailable",
                "A service that this one depends on cannot be used right now.",
            ),
            Self::Timeout => {
                ("Gateway Timeout", "A service that this one depends on did not respond in time.")
            }
            Self::BadGateway => (
                "Bad Gateway",
                "A service that this one depends on did not give a usable response.",
            ),
            Self::BadRequest => ("Bad Request", "The body of the request broke off."),
            Self::RequestTimeout => {
                ("Request Timeout", "The body of the request did not arrive in time.")
            }
            Self::Internal => ("Internal Server Error", "The request could not be processed."),
        }
    }

    fn json(self) -> String {
        let (title, detail) = self.text();
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

/// The longest `Retry-After`: a day. No API has longer windows.
const LONGEST_RETRY_AFTER: u64 = 24 * 60 * 60;

/// The seconds of a `Retry-After` field ([RFC 9110 section 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)): rounded up,
/// at least one and at most a day.
fn retry_after_seconds(wait: Duration) -> u64 {
    let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    seconds.clamp(1, LONGEST_RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_up_and_stays_in_range() {
        for (wait, seconds) in [
            (Duration::ZERO, 1),
            (Duration::from_nanos(1), 1),
            (Duration::from_secs(1), 1),
            (Duration::from_millis(1_001), 2),
            (Duration::from_secs(86_400), 86_400),
            (Duration::from_secs(86_401), 86_400),
            (Duration::MAX, 86_400),
        ] {
            assert_eq!(retry_after_seconds(wait), seconds, "{wait:?}");
        }
    }
}
