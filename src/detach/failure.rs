use std::{error::Error, fmt, sync::Arc};

use http::{Method, Request, StatusCode};

use crate::{
    BoxError,
    classify::{Classification, ErrorClass},
};

/// A request that was sent in the background. It has what a log may show: no query, no header and no body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetachedRequest {
    stack: Option<Arc<str>>,
    endpoint: Arc<str>,
    method: Method,
    path: Box<str>,
}

/// Why a request that got a 202 failed in the background.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// The server's response is a failure.
    Response(Classification),
    /// The inner service returned an error.
    Error(BoxError),
    /// The inner service panicked. The request may have been processed.
    Panicked,
    /// The request was dropped in flight, at the deadline of a shutdown or with its runtime. It may have been processed.
    Interrupted,
    /// The request was dropped in the queue. It was never sent.
    Discarded,
}

/// How one request ended.
pub(super) type Outcome = Result<StatusCode, Box<Failure>>;

// === impl DetachedRequest ===

impl DetachedRequest {
    pub(super) fn of<B>(request: &Request<B>, endpoint: Arc<str>, stack: Option<Arc<str>>) -> Self {
        let (method, path) = (request.method().clone(), request.uri().path().into());
        Self { stack, endpoint, method, path }
    }

    /// The name of the stack that the layer belongs to.
    pub(super) const fn stack(&self) -> Option<&Arc<str>> {
        self.stack.as_ref()
    }

    /// The pattern of the endpoint.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for DetachedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

// === impl Failure ===

impl Failure {
    /// The class of the response or of the error; none if it is unknown or the request was dropped.
    #[must_use]
    pub fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Response(found) => Some(found.class()),
            Self::Error(error) => {
                Classification::of_error(error.as_ref()).map(|found| found.class())
            }
            Self::Panicked | Self::Interrupted | Self::Discarded => None,
        }
    }

    /// The variant in snake case, as in events and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Response(_) => "response",
            Self::Error(_) => "error",
            Self::Panicked => "panicked",
            Self::Interrupted => "interrupted",
            Self::Discarded => "discarded",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Response(found) => {
                write!(f, "the response is a failure of the class {}", found.class())
            }
            Self::Error(error) => write!(f, "the request failed: {error}"),
            Self::Panicked => f.write_str("the service panicked"),
            Self::Interrupted => f.write_str("dropped in flight"),
            Self::Discarded => f.write_str("dropped in the queue"),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Error(error) => Some(error.as_ref()),
            _ => None,
        }
    }
}
