use std::{error::Error, fmt, sync::Arc};

use http::{Method, Request, StatusCode};

use crate::{
    BoxError,
    classify::{Classification, ErrorClass},
};

/// Which request it was: what a log may hold of it, so no query, no header and no body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    endpoint: Arc<str>,
    method: Method,
    path: Box<str>,
}

/// A request that was sent in the background and succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Success {
    request: Summary,
    status: StatusCode,
}

/// A request that was answered with 202 and came to nothing.
#[derive(Debug)]
pub struct Failure {
    request: Summary,
    cause: Cause,
}

/// Why a request that was answered with 202 came to nothing.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The server's answer is a failure.
    Answered(Classification),
    /// There was an error in place of an answer.
    Failed(BoxError),
    /// The inner service panicked. The request may have been carried out.
    Panicked,
    /// It was given up while it was under way: the queue's deadline came, or the runtime that carried it ended. It may have
    /// been carried out.
    Interrupted,
    /// It was given up while it waited in the queue, and never sent.
    Discarded,
}

/// How one request ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Succeeded(StatusCode),
    Failed(Box<Cause>),
}

// === impl Summary ===

impl Summary {
    pub(super) fn of<B>(request: &Request<B>, endpoint: Arc<str>) -> Self {
        let (method, path) = (request.method().clone(), request.uri().path().into());
        Self { endpoint, method, path }
    }

    /// The pattern of its endpoint.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Its method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// Its path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

// === impl Success ===

impl Success {
    pub(super) const fn new(request: Summary, status: StatusCode) -> Self {
        Self { request, status }
    }

    /// Which request it was.
    #[must_use]
    pub const fn request(&self) -> &Summary {
        &self.request
    }

    /// The status of the answer.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }
}

// === impl Failure ===

impl Failure {
    pub(super) const fn new(request: Summary, cause: Cause) -> Self {
        Self { request, cause }
    }

    /// Which request it was.
    #[must_use]
    pub const fn request(&self) -> &Summary {
        &self.request
    }

    /// Why it came to nothing.
    #[must_use]
    pub const fn cause(&self) -> &Cause {
        &self.cause
    }

    /// What the answer or the error means; none if that is not known, and for what was given up here.
    #[must_use]
    pub fn class(&self) -> Option<ErrorClass> {
        match &self.cause {
            Cause::Answered(failure) => Some(failure.class()),
            Cause::Failed(error) => {
                Classification::of_error(error.as_ref()).map(|failure| failure.class())
            }
            Cause::Panicked | Cause::Interrupted | Cause::Discarded => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in the background: ", self.request)?;
        match &self.cause {
            Cause::Answered(failure) => write!(f, "the answer is {}", failure.class()),
            Cause::Failed(_) => f.write_str("there was an error"),
            Cause::Panicked => f.write_str("the service panicked"),
            Cause::Interrupted => f.write_str("given up under way"),
            Cause::Discarded => f.write_str("given up unsent"),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Failed(error) => Some(error.as_ref()),
            _ => None,
        }
    }
}

// === impl Cause ===

impl Cause {
    /// The cause in snake case, as it stands in events.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Answered(_) => "answered",
            Self::Failed(_) => "failed",
            Self::Panicked => "panicked",
            Self::Interrupted => "interrupted",
            Self::Discarded => "discarded",
        }
    }
}

// === impl Outcome ===

impl Outcome {
    pub(super) fn failed(cause: Cause) -> Self {
        Self::Failed(Box::new(cause))
    }
}
