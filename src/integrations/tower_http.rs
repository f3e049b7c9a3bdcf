//! Our meaning of answers for tower-http: its `TraceLayer` counts as failures what the layers of this crate do.
//!
//! tower-http's own classifier takes 5xx for failures and all else for successes, so that a client which is refused 429 by 429 looks
//! well in its traces. This one reads the [`Classification`] that [`ErrorClassifyLayer`](crate::ErrorClassifyLayer) left on an
//! answer, or else classes it as that layer would, and does the same with errors, those of a body among them.
//!
//! # Example
//!
//! ```
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_heed::{BoxError, classify::{ErrorClass, Preset}, integrations::tower_http::ClassesAsFailures};
//! use tower_http::trace::TraceLayer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let http = service_fn(async |_: Request<String>| {
//!     Ok::<_, BoxError>(Response::builder().status(429).body(String::new())?)
//! });
//! // What is not there is no failure to this client.
//! let failures = ClassesAsFailures::new().classifier(Preset::Auth0).without(ErrorClass::Rejected);
//! let client = ServiceBuilder::new()
//!     .layer(TraceLayer::new(failures.make_classifier())) // logs `rate_limited (429)`
//!     .service(http);
//! client.oneshot(Request::new(String::new())).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Ordering
//!
//! Inside of [`RetryOnRateLimit`](crate::RetryOnRateLimit) it sees each send, outside of everything what the caller gets. An answer of
//! [`FallbackLayer::fail_open`](crate::FallbackLayer::fail_open) is a success to what is outside of it.
//!
//! # Redirects
//!
//! tower-http's `FollowRedirect` goes **outside** of [`TokenCacheLayer`](crate::TokenCacheLayer), so that each hop is asked whether the
//! token may go there:
//!
//! | | `FollowRedirect` outside | `FollowRedirect` inside |
//! |---|---|---|
//! | a hop within an allowed origin | carries the token of that moment | carries the token of the first hop |
//! | a hop to another origin | fails with [`OriginNotAllowed`](crate::ErrorKind::OriginNotAllowed), and nothing is sent; with the policy `SameOrigin` the caller gets the redirect | goes there, without the token if the policy takes it away, as `Standard` does; **with the token if it does not** (`Limited` alone, `Action::Follow`, one of your own) |
//! | a 401 of that other origin | cannot come | is taken for a rejection of the token, which is fetched anew |
//! | from there back to an allowed origin | cannot come | goes without a token |

use std::{any::Any, error::Error, fmt, io, sync::Arc, time::Duration};

use ::tower_http::classify::{ClassifiedResponse, ClassifyEos, ClassifyResponse, SharedClassifier};
use http::{HeaderMap, Response, StatusCode};

use crate::{
    BoxError,
    classify::{Classes, Classification, Classifier, ErrorClass, Preset},
    clock::Clock,
};

/// Takes for failures what has an [`ErrorClass`], and all errors.
#[derive(Clone)]
#[must_use]
pub struct ClassesAsFailures {
    classifier: Arc<dyn Classifier>,
    clock: Clock,
    without: Classes,
}

/// A failure, for a trace.
///
/// It shows the class, the status and the wait, `rate_limited (429), to wait 30s`, and nothing else of the answer or the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    class: Option<ErrorClass>,
    status: Option<StatusCode>,
    wait: Option<Duration>,
}

// === impl ClassesAsFailures ===

impl ClassesAsFailures {
    /// Every class is a failure. Answers are read by [`Preset::Standard`].
    pub fn new() -> Self {
        Self {
            classifier: Arc::new(Preset::Standard),
            clock: Clock::default(),
            without: Classes::NONE,
        }
    }

    /// Says what an answer means where no layer inside has; a [`Preset`], or your own.
    pub fn classifier(mut self, classifier: impl Classifier) -> Self {
        self.classifier = Arc::new(classifier);
        self
    }

    /// Answers of this class are no failures: `Rejected`, for example, where a 404 is an answer like others. Errors
    /// always are.
    pub fn without(mut self, class: ErrorClass) -> Self {
        self.without = self.without.with(class);
        self
    }

    /// Takes the time from `clock`: waits that are given as dates are measured against its wall time.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// What `TraceLayer::new` takes.
    #[must_use]
    pub fn make_classifier(self) -> SharedClassifier<Self> {
        SharedClassifier::new(self)
    }
}

impl Default for ClassesAsFailures {
    fn default() -> Self {
        Self::new()
    }
}

impl ClassifyResponse for ClassesAsFailures {
    type FailureClass = Failure;
    type ClassifyEos = Self;

    fn classify_response<B>(self, response: &Response<B>) -> ClassifiedResponse<Failure, Self> {
        let failure = match response.extensions().get::<Classification>() {
            Some(left) => Some(Failure::of(left)),
            None => Classification::of_response_when(
                &*self.classifier,
                response.status(),
                response.headers(),
                &|| self.clock.system_time(),
            )
            .map(|found| Failure::of(&found)),
        };
        let failure = failure
            .filter(|failure| !failure.class.is_some_and(|class| self.without.contains(class)));
        match failure {
            Some(failure) => ClassifiedResponse::Ready(Err(failure)),
            // So far. Its body may still be late, or break off.
            None => ClassifiedResponse::RequiresEos(self),
        }
    }

    fn classify_error<E>(self, error: &E) -> Failure
    where
        E: fmt::Display + 'static,
    {
        Failure::of_error(error)
    }
}

impl ClassifyEos for ClassesAsFailures {
    type FailureClass = Failure;

    fn classify_eos(self, _: Option<&HeaderMap>) -> Result<(), Failure> {
        Ok(())
    }

    fn classify_error<E>(self, error: &E) -> Failure
    where
        E: fmt::Display + 'static,
    {
        Failure::of_error(error)
    }
}

impl fmt::Debug for ClassesAsFailures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassesAsFailures").field("without", &self.without).finish_non_exhaustive()
    }
}

/// The error, if its type is one of those that come here: a [`BoxError`] from our layers, or what clients have.
fn known<E: 'static>(error: &E) -> Option<&(dyn Error + 'static)> {
    let error: &dyn Any = error;
    if let Some(error) = error.downcast_ref::<BoxError>() {
        return Some(error.as_ref());
    }
    #[cfg(feature = "hyper")]
    if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
        return Some(error);
    }
    #[cfg(feature = "hyper")]
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return Some(error);
    }
    #[cfg(feature = "reqwest")]
    if let Some(error) = error.downcast_ref::<::reqwest::Error>() {
        return Some(error);
    }
    #[cfg(feature = "axum")]
    if let Some(error) = error.downcast_ref::<axum_core::Error>() {
        return Some(error);
    }
    error.downcast_ref::<io::Error>().map(|error| error as _)
}

// === impl Failure ===

impl Failure {
    const fn of(found: &Classification) -> Self {
        Self { class: Some(found.class()), status: found.status(), wait: found.retry_after() }
    }

    fn of_error<E: 'static>(error: &E) -> Self {
        let found = known(error).and_then(Classification::of_error);
        found.map_or(Self { class: None, status: None, wait: None }, |found| Self::of(&found))
    }

    /// What the failure means; none for an error of unknown meaning.
    #[must_use]
    pub const fn class(&self) -> Option<ErrorClass> {
        self.class
    }

    /// The status code; none for an error that is no answer.
    #[must_use]
    pub const fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// How long to wait before the next request; none if nothing was said.
    #[must_use]
    pub const fn wait(&self) -> Option<Duration> {
        self.wait
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class.map_or("unknown", ErrorClass::as_str))?;
        if let Some(status) = self.status {
            write!(f, " ({})", status.as_u16())?;
        }
        match self.wait {
            Some(wait) => write!(f, ", to wait {wait:?}"),
            None => Ok(()),
        }
    }
}
