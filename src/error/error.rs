//! The one error that the layers make.

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Response, StatusCode};

use super::{BoxError, Causes, ErrorKind, NotQueuedReason, NotReplayable, Phase};
use crate::classify::{Classification, ErrorClass};

/// An error that a layer of this crate made.
///
/// Services of this crate have `Error = BoxError`: errors of the client pass through unchanged, and those that a layer makes
/// are of this type. Find it with `downcast_ref`, or with [`find`](super::find) where other layers have wrapped it.
///
/// Its source is the client's error, or the [`TokenError`](super::TokenError) of a token that could not be fetched.
/// `find::<hyper::Error>(&error)` reaches further down, and [`Classification::of_error`] tells the class of any error, also of a
/// client's own.
///
/// `Display` says what happened, at which endpoint, and names the cause. Neither `Display` nor `Debug` shows header fields or a
/// body.
///
/// A clone is cheap, and shares what the error holds.
///
/// ```
/// # use std::convert::Infallible;
/// use std::time::Duration;
/// # use http::{Request, Response};
/// # use tower::{Layer, ServiceExt, service_fn};
/// use tower_heed::{Error, ErrorKind, TimeoutLayer, error::find};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// # let client = TimeoutLayer::new(Duration::from_secs(3)).layer(service_fn(|_: Request<String>| {
/// #     std::future::pending::<Result<Response<String>, Infallible>>()
/// # }));
/// let failure = client.oneshot(Request::new(String::new())).await.unwrap_err();
/// let error = find::<Error>(&*failure).expect("made by a layer");
/// assert!(matches!(error.kind(), ErrorKind::Timeout { .. }));
/// assert_eq!(error.retry_after(), None);
/// # }
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    classification: Option<Classification>,
    endpoint: Option<Arc<str>>,
    response: Option<Response<Bytes>>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// What an [`Error`] is made of.
#[derive(Default)]
pub(crate) struct Details {
    /// What the failure means, and how long to wait.
    pub(crate) classification: Option<Classification>,
    /// The pattern of the endpoint.
    pub(crate) endpoint: Option<Arc<str>>,
    /// The response that became an error.
    pub(crate) response: Option<Response<Bytes>>,
    /// The error below.
    pub(crate) source: Option<BoxError>,
}

// === impl Error ===

impl Error {
    #[cold]
    pub(crate) fn new(kind: ErrorKind, details: Details) -> Self {
        let Details { classification, endpoint, response, source } = details;
        let source = source.map(Arc::from);
        Self(Arc::new(Inner { kind, classification, endpoint, response, source }))
    }

    pub(crate) fn timeout(limit: Duration, phase: Phase, endpoint: Option<Arc<str>>) -> Self {
        // An upload may be slow because of the caller, who must not get a fallback response by that.
        let class = (phase != Phase::Uploading).then_some(ErrorClass::Timeout);
        Self::timeout_of_class(class, limit, phase, endpoint)
    }

    /// No attempt was made, because the service was not ready in time: the request may be sent again, whatever its method.
    pub(crate) fn not_ready(limit: Duration, endpoint: Option<Arc<str>>) -> Self {
        Self::timeout_of_class(Some(ErrorClass::Throttled), limit, Phase::Waiting, endpoint)
    }

    /// Nothing was sent, because no connection was made in time.
    pub(crate) fn not_connected(limit: Duration) -> Self {
        Self::timeout_of_class(Some(ErrorClass::Connect), limit, Phase::Connecting, None)
    }

    fn timeout_of_class(
        class: Option<ErrorClass>,
        limit: Duration,
        phase: Phase,
        endpoint: Option<Arc<str>>,
    ) -> Self {
        let classification = class.map(Classification::of_class);
        let details = Details { classification, endpoint, ..Details::default() };
        Self::new(ErrorKind::Timeout { limit, phase }, details)
    }

    /// The caller's own body failed, which says nothing about the server.
    pub(crate) fn request_body(source: BoxError) -> Self {
        let details = Details { source: Some(source), ..Details::default() };
        Self::new(ErrorKind::RequestBody, details)
    }

    /// Whether this and all errors below it are about the caller's own request, and not about the server or the way to it.
    pub(crate) fn is_callers_own(&self) -> bool {
        matches!(
            self.0.kind,
            ErrorKind::RequestBody
                | ErrorKind::ReplayBody { .. }
                | ErrorKind::Timeout { phase: Phase::Uploading, .. }
        )
    }

    pub(crate) fn replay_body(reason: NotReplayable) -> Self {
        Self::new(ErrorKind::ReplayBody { reason }, Details::default())
    }

    pub(crate) fn not_queued(reason: NotQueuedReason, endpoint: Arc<str>) -> Self {
        // A full queue gets room again. Waiting does not help against the other reasons.
        let passes = matches!(reason, NotQueuedReason::Full { .. });
        let classification = passes.then(|| Classification::of_class(ErrorClass::Throttled));
        let details = Details { classification, endpoint: Some(endpoint), ..Details::default() };
        Self::new(ErrorKind::NotQueued { reason }, details)
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// What the failure means to a retry or a fallback. `None` for an error of the caller's own, such as a token that may not
    /// go to this origin.
    #[must_use]
    pub fn class(&self) -> Option<ErrorClass> {
        self.0.classification.as_ref().map(Classification::class)
    }

    /// How long to wait before the next request, counted from the failure. `None` if nothing is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.classification.as_ref()?.retry_after()
    }

    /// The status code of the failing response, or of the token endpoint's. `None` if there was no response.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.0.classification.as_ref()?.status()
    }

    /// The pattern of the endpoint that was called. `None` if no pattern matched.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.0.endpoint.as_deref()
    }

    /// The failing response of an error of the kind [`Response`](ErrorKind::Response), with as much of its body as the
    /// layer's bounds allowed.
    #[must_use]
    pub fn response(&self) -> Option<&Response<Bytes>> {
        self.0.response.as_ref()
    }

    pub(crate) fn classification(&self) -> Option<&Classification> {
        self.0.classification.as_ref()
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("class", &self.class())
            .field("status", &self.status())
            .field("retry_after", &self.retry_after())
            .field("endpoint", &self.0.endpoint)
            .field("source", &self.0.source)
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = self.0.source.as_deref();
        if let (ErrorKind::TokenUnavailable, Some(source)) = (&self.0.kind, source) {
            return fmt::Display::fmt(source, f);
        }
        fmt::Display::fmt(&self.0.kind, f)?;
        if let Some(status) = self.status() {
            write!(f, " ({})", status.as_u16())?;
        }
        if let Some(endpoint) = &self.0.endpoint {
            write!(f, " at `{endpoint}`")?;
        }
        if let Some(wait) = self.retry_after() {
            write!(f, ", retry after {wait:?}")?;
        }
        match source {
            Some(source) => write!(f, ": {}", Causes(source)),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
