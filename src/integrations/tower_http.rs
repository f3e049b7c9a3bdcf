//! The error classes as failures of tower-http's `TraceLayer`.
//!
//! tower-http's own classifier counts 5xx responses as failures, so the traces of a client that gets one 429 after the other look
//! healthy. This classifier uses the [`Classification`] that [`ErrorClassifyLayer`](crate::ErrorClassifyLayer) left on a response, or
//! else classifies the response as that layer would. It classifies errors as well, including those of a body.
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
//! // A 404 is not a failure to this client.
//! let failures = ClassesAsFailures::new().classifier(Preset::Auth0).without(ErrorClass::Rejected);
//! let client = ServiceBuilder::new()
//!     .layer(TraceLayer::new(failures.into_make_classifier())) // logs `rate_limited (429)`
//!     .service(http);
//! client.oneshot(Request::new(String::new())).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Ordering
//!
//! Inside [`RetryOnRateLimit`](crate::RetryOnRateLimit) it sees each attempt; outside all layers it sees the caller's response. Outside
//! [`FallbackLayer::fail_open`](crate::FallbackLayer::fail_open), a fallback response is a success.
//!
//! # Redirects
//!
//! tower-http's `FollowRedirect` goes **outside** [`TokenCacheLayer`](crate::TokenCacheLayer), which then checks the origin of each hop:
//!
//! | | `FollowRedirect` outside | `FollowRedirect` inside |
//! |---|---|---|
//! | a hop within an allowed origin | has the current token | has the token of the first hop |
//! | a hop to another origin | fails with [`OriginNotAllowed`](crate::ErrorKind::OriginNotAllowed), and nothing is sent, unless [`elsewhere_without_token`](crate::TokenCacheLayer::elsewhere_without_token) is set; with the policy `SameOrigin` the caller gets the redirect | is sent, without the token if the policy removes it, as `Standard` does; **with the token otherwise** (`Limited` on its own, `Action::Follow`, a custom policy) |
//! | a 401 of that other origin | cannot happen | is treated as a rejection of the token, which is fetched again |
//! | from there back to an allowed origin | cannot happen | is sent without a token |

use std::{any::Any, error::Error, fmt, io, sync::Arc, time::Duration};

use ::tower_http::classify::{ClassifiedResponse, ClassifyEos, ClassifyResponse, SharedClassifier};
use http::{HeaderMap, Response, StatusCode};

use crate::{
    BoxError,
    classify::{Classes, Classification, Classifier, ErrorClass, Preset},
    clock::Clock,
};

/// Counts responses with an [`ErrorClass`] and all errors as failures.
#[derive(Clone)]
#[must_use]
pub struct ClassesAsFailures {
    classifier: Arc<dyn Classifier>,
    clock: Clock,
    without: Classes,
}

/// The failure that a trace shows: class, status and wait, such as `rate_limited (429), retry after 30s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceFailure {
    class: Option<ErrorClass>,
    status: Option<StatusCode>,
    retry_after: Option<Duration>,
}

// === impl ClassesAsFailures ===

impl ClassesAsFailures {
    /// Counts every class as a failure, and classifies responses by [`Preset::Standard`].
    pub fn new() -> Self {
        Self {
            classifier: Arc::new(Preset::Standard),
            clock: Clock::default(),
            without: Classes::NONE,
        }
    }

    /// Sets the classifier for responses that no inner layer has classified: a [`Preset`], or your own.
    pub fn classifier(mut self, classifier: impl Classifier) -> Self {
        self.classifier = Arc::new(classifier);
        self
    }

    /// Does not count responses of this class as failures: `Rejected`, for example, if a 404 is normal. Errors always count.
    pub fn without(mut self, class: ErrorClass) -> Self {
        self.without = self.without.with(class);
        self
    }

    /// Sets the clock. Dates in headers are measured against its wall time.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The argument for `TraceLayer::new`.
    #[must_use]
    pub fn into_make_classifier(self) -> SharedClassifier<Self> {
        SharedClassifier::new(self)
    }
}

impl Default for ClassesAsFailures {
    fn default() -> Self {
        Self::new()
    }
}

impl ClassifyResponse for ClassesAsFailures {
    type FailureClass = TraceFailure;
    type ClassifyEos = Self;

    fn classify_response<B>(
        self,
        response: &Response<B>,
    ) -> ClassifiedResponse<TraceFailure, Self> {
        let failure = match response.extensions().get::<Classification>() {
            Some(attached) => Some(TraceFailure::of(attached)),
            None => Classification::of_response_when(
                &*self.classifier,
                response.status(),
                response.headers(),
                &|| self.clock.system_time(),
            )
            .map(|found| TraceFailure::of(&found)),
        };
        let failure = failure
            .filter(|failure| !failure.class.is_some_and(|class| self.without.contains(class)));
        match failure {
            Some(failure) => ClassifiedResponse::Ready(Err(failure)),
            // The body may still fail.
            None => ClassifiedResponse::RequiresEos(self),
        }
    }

    fn classify_error<E>(self, error: &E) -> TraceFailure
    where
        E: fmt::Display + 'static,
    {
        TraceFailure::of_error(error)
    }
}

impl ClassifyEos for ClassesAsFailures {
    type FailureClass = TraceFailure;

    fn classify_eos(self, _: Option<&HeaderMap>) -> Result<(), TraceFailure> {
        Ok(())
    }

    fn classify_error<E>(self, error: &E) -> TraceFailure
    where
        E: fmt::Display + 'static,
    {
        TraceFailure::of_error(error)
    }
}

impl fmt::Debug for ClassesAsFailures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassesAsFailures").field("without", &self.without).finish_non_exhaustive()
    }
}

/// The error, if it is a [`BoxError`] or of a known client's type.
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

// === impl TraceFailure ===

impl TraceFailure {
    const fn of(found: &Classification) -> Self {
        Self {
            class: Some(found.class()),
            status: found.status(),
            retry_after: found.retry_after(),
        }
    }

    fn of_error<E: 'static>(error: &E) -> Self {
        let found = known(error).and_then(Classification::of_error);
        found
            .map_or(Self { class: None, status: None, retry_after: None }, |found| Self::of(&found))
    }

    /// The class; none for an unknown error.
    #[must_use]
    pub const fn class(&self) -> Option<ErrorClass> {
        self.class
    }

    /// The status code; none for an error without a response.
    #[must_use]
    pub const fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// How long to wait before the next request; none if unknown.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for TraceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class.map_or("unknown", ErrorClass::as_str))?;
        if let Some(status) = self.status {
            write!(f, " ({})", status.as_u16())?;
        }
        match self.retry_after {
            Some(wait) => write!(f, ", retry after {wait:?}"),
            None => Ok(()),
        }
    }
}
