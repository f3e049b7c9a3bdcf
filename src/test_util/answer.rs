//! What a scripted service answers with.

use std::{error::Error, fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::error::BoxError;

/// How one send is answered: by a response, by an error or not at all, at once or later.
///
/// ```
/// use std::time::Duration;
/// use tower_heed::test_util::Answer;
///
/// let refusal = Answer::status(429).header("retry-after", "30");
/// let slow = Answer::status(200).body(r#"{"name":"Ada"}"#).after(Duration::from_secs(5));
/// let refused = Answer::error(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
/// # drop((refusal, slow, refused));
/// ```
#[derive(Debug)]
#[must_use]
pub struct Answer {
    pub(super) outcome: Outcome,
    pub(super) after: Duration,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Response(Response<Full<Bytes>>),
    Error(ScriptedError),
    Never,
}

/// The error of a [`ScriptedService`](super::ScriptedService), around the one that was given to [`Answer::error`].
///
/// What was given is its source, so [`find`](crate::error::find) finds it, and the layers class it as they would from a client.
#[derive(Debug)]
pub struct ScriptedError {
    source: BoxError,
}

// === impl Answer ===

impl Answer {
    /// A response with this status, without header fields or a body.
    ///
    /// # Panics
    ///
    /// If there can be no such status: below 100 or above 999.
    #[allow(clippy::expect_used, reason = "a mistake in a test should end it there")]
    pub fn status(status: u16) -> Self {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::from_u16(status).expect("a status code");
        Self::from(response)
    }

    /// An error in the place of a response.
    pub fn error(error: impl Into<BoxError>) -> Self {
        Self::of(Outcome::Error(ScriptedError::new(error)))
    }

    /// No answer: the send hangs until it is given up.
    pub fn never() -> Self {
        Self::of(Outcome::Never)
    }

    /// Adds a header field to the response. Other answers stay as they are.
    ///
    /// # Panics
    ///
    /// If `name` or `value` cannot be in a header.
    #[allow(clippy::expect_used, reason = "a mistake in a test should end it there")]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Outcome::Response(response) = &mut self.outcome {
            let name = HeaderName::try_from(name).expect("the name of a header field");
            let value = HeaderValue::try_from(value).expect("the value of a header field");
            response.headers_mut().append(name, value);
        }
        self
    }

    /// Gives the response a body. Other answers stay as they are.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        if let Outcome::Response(response) = &mut self.outcome {
            *response.body_mut() = Full::new(body.into());
        }
        self
    }

    /// Comes that long after the call, on tokio's clock; by default at once.
    pub fn after(mut self, delay: Duration) -> Self {
        self.after = delay;
        self
    }

    fn of(outcome: Outcome) -> Self {
        Self { outcome, after: Duration::ZERO }
    }
}

/// 200, with an empty body.
impl Default for Answer {
    fn default() -> Self {
        Self::from(Response::default())
    }
}

impl From<Response<Full<Bytes>>> for Answer {
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
