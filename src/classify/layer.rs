use std::{sync::Arc, time::Duration};

use tower_layer::Layer;

use super::{Config, ErrorClassify, SessionStatus, shared::Shared};
use crate::{classify::Classifier, clock::Clock, error::InvalidConfig};

/// Says what each answer means, and keeps the session's [`AuthStatus`](super::AuthStatus).
///
/// The [module page](super) has the table of the status and what happens on a sign-out.
#[derive(Clone, Debug)]
pub struct ErrorClassifyLayer {
    shared: Arc<Shared>,
}

// === impl ErrorClassifyLayer ===

impl ErrorClassifyLayer {
    /// A layer with the defaults of the [module page](super), and a session of its own.
    #[must_use]
    pub fn new() -> Self {
        Self { shared: Arc::new(Shared::new()) }
    }

    /// Says what an answer means; a [`Preset`](crate::classify::Preset), or your own.
    #[must_use]
    pub fn classifier(self, classifier: impl Classifier) -> Self {
        self.base(|base| base.classifier(classifier))
    }

    /// Turns failing answers into `Err(`[`ClassifiedError`](super::ClassifiedError)`)`.
    #[must_use]
    pub fn error_for_status(self) -> Self {
        self.base(Config::error_for_status)
    }

    /// The most of a failing answer's body that becomes part of the error, in bytes; the rest is not read.
    #[must_use]
    pub fn error_body_bytes(self, max: usize) -> Self {
        self.base(|base| base.error_body_bytes(max))
    }

    /// The most time for reading that, counted from the head of the answer; the
    /// [`Deadline`](crate::extensions::Deadline) may end it earlier. What has come by then becomes part of the error.
    #[must_use]
    pub fn error_body_wait(self, max: Duration) -> Self {
        self.base(|base| base.error_body_wait(max))
    }

    /// Gives the requests that match `pattern` a configuration of their own; see
    /// [`EndpointPattern`](crate::EndpointPattern) for the syntax. It starts as the layer's is at this line.
    ///
    /// ```
    /// use tower_heed::{ErrorClassifyLayer, classify::Preset};
    ///
    /// ErrorClassifyLayer::new()
    ///     .classifier(Preset::Clerk)
    ///     .endpoint("POST /v1/users", |config| config.classifier(Preset::Standard))?
    ///     .endpoint("GET /health", |config| config.public())?;
    /// # Ok::<(), tower_heed::error::InvalidConfig>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A pattern that is malformed or there already.
    pub fn endpoint<F>(mut self, pattern: &str, configure: F) -> Result<Self, InvalidConfig>
    where
        F: FnOnce(Config) -> Config,
    {
        let config = configure(self.shared.base.clone());
        Arc::make_mut(&mut self.shared).insert(pattern, config)?;
        Ok(self)
    }

    /// Takes the time from `clock`: resets that are given as dates are measured against its wall time.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        Arc::make_mut(&mut self.shared).clock = clock;
        self
    }

    /// Runs `handler` once for each change into [`Unauthenticated`](super::AuthStatus::Unauthenticated).
    ///
    /// It runs on a task of its own, spawned by the answer that brought the change about, which is not delayed. It is
    /// never run twice at a time, and never started by a request that it sends itself. It is not run again while the
    /// status stays as it is, so it is the place to try more than once. The [module page](super#recovery) says more.
    ///
    /// A client for the handler's own requests is made from this layer *before* it gets the handler:
    ///
    /// ```
    /// use http::{Request, Response};
    /// use http_body_util::Empty;
    /// use tower::{Layer, Service, ServiceExt, service_fn};
    /// use tower_heed::{BoxError, ErrorClassifyLayer};
    ///
    /// let http = service_fn(async |_: Request<Empty<bytes::Bytes>>| {
    ///     Ok::<_, BoxError>(Response::new(Empty::<bytes::Bytes>::new()))
    /// });
    /// let layer = ErrorClassifyLayer::new();
    /// let recovering = layer.layer(http);
    /// let client = layer
    ///     .on_unauthenticated(move || {
    ///         let mut client = recovering.clone();
    ///         async move {
    ///             let login = Request::post("https://id.example/login").body(Empty::new()).unwrap();
    ///             let Ok(client) = client.ready().await else { return };
    ///             if client.call(login).await.is_ok() { /* keep the new credentials */ }
    ///         }
    ///     })
    ///     .layer(http);
    /// ```
    #[must_use]
    pub fn on_unauthenticated<F, Fut>(mut self, handler: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handler = Arc::new(move || Box::pin(handler()) as _);
        Arc::make_mut(&mut self.shared).handler = Some(handler);
        self
    }

    /// The status of the session, to look at and to wait for its changes.
    #[must_use]
    pub fn status(&self) -> SessionStatus {
        SessionStatus::new(self.shared.session.subscribe())
    }

    fn base(mut self, change: impl FnOnce(Config) -> Config) -> Self {
        let shared = Arc::make_mut(&mut self.shared);
        shared.base = change(shared.base.clone());
        self
    }
}

impl Default for ErrorClassifyLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for ErrorClassifyLayer {
    type Service = ErrorClassify<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ErrorClassify::new(inner, Arc::clone(&self.shared))
    }
}
