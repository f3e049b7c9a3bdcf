use std::{error::Error, fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::error::BoxError;

/// What one attempt gets: a response, an error or nothing, at once or later.
///
/// ```
/// use std::time::Duration;
/// use tower_heed::test_util::ScriptedResponse;
///
/// let rate_limited = ScriptedResponse::status(429).header("retry-after", "30");
/// let slow = ScriptedResponse::status(200).body(r#"{"name":"Ada"}"#).after(Duration::from_secs(5));
/// let refused = ScriptedResponse::error(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
/// # drop((rate_limited, slow, refused));
/// ```
#[derive(Debug)]
#[must_use]
pub struct ScriptedResponse {
    pub(super) outcome: Outcome,
    pub(super) after: Duration,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Response(Response<Full<Bytes>>),
    Error(ScriptedError),
    Never,
}

/// The error of a [`ScriptedService`](super::ScriptedService).
///
/// Its source is the argument of [`ScriptedResponse::error`], so [`find`](crate::error::find) finds that, and the layers classify it
/// as a client's.
#[derive(Debug)]
pub struct ScriptedError {
    source: BoxError,
}

// === impl ScriptedResponse ===

impl ScriptedResponse {
    /// A response with this status, without headers or a body.
    ///
    /// # Panics
    ///
    /// If the status is below 100 or above 999.
    #[allow(clippy::expect_used, reason = "a mistake in a test should end it there")]
    pub fn status(status: u16) -> Self {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::from_u16(status).expect("a status code");
        Self::from(response)
    }

    /// An error instead of a response.
    pub fn error(error: impl Into<BoxError>) -> Self {
        Self::of(Outcome::Error(ScriptedError::new(error)))
    }

    /// No response: the attempt hangs until it is dropped.
    pub fn never() -> Self {
        Self::of(Outcome::Never)
    }

    /// Adds a header to the response. Has no effect on an error.
    ///
    /// # Panics
    ///
    /// If `name` or `value` is invalid.
    #[allow(clippy::expect_used, reason = "a mistake in a test should end it there")]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Outcome::Response(response) = &mut self.outcome {
            let name = HeaderName::try_from(name).expect("a header name");
            let value = HeaderValue::try_from(value).expect("a header value");
            response.headers_mut().append(name, value);
        }
        self
    }

    /// Sets the body of the response. Has no effect on an error.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        if let Outcome::Response(response) = &mut self.outcome {
            *response.body_mut() = Full::new(body.into());
        }
        self
    }

    /// Delays the response, on tokio's clock.
    pub fn after(mut self, delay: Duration) -> Self {
        self.after = delay;
        self
    }

    fn of(outcome: Outcome) -> Self {
        Self { outcome, after: Duration::ZERO }
    }
}

/// 200, with an empty body.
impl Default for ScriptedResponse {
    fn default() -> Self {
        Self::from(Response::default())
    }
}

impl From<Response<Full<Bytes>>> for ScriptedResponse {
    fn from(response: Response<Full<Bytes>>) -> Self {
        Self::of(Outcome::Response(response))
    }
}

// === impl ScriptedError ===

impl ScriptedError {
    pub(super) fn new(source: impl Into<BoxError>) -> Self {
        Self { source: source.into() }
    }
}

impl fmt::Display for ScriptedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the scripted service failed")
    }
}

impl Error for ScriptedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.as_ref())
    }
}
