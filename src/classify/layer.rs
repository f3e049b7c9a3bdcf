use std::{fmt, sync::Arc, time::Duration};

use tower_layer::Layer;

use super::{
    Classifier, ClassifyConfig, ErrorClassify, SessionStatus,
    tracker::{Handler, Tracker},
};
use crate::{EndpointPattern, clock::Clock, endpoint::Endpoints};

/// Tells what each response means, and tracks the session's [`AuthStatus`](super::AuthStatus).
///
/// The [module page](super) has the table of the status, and what happens on a sign-out.
#[derive(Clone, Debug)]
#[must_use]
pub struct ErrorClassifyLayer {
    settings: Arc<Settings>,
}

/// What a layer, its services and their calls share.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) endpoints: Endpoints<ClassifyConfig>,
    pub(super) clock: Clock,
    pub(super) session: Arc<Tracker>,
    pub(super) handler: Option<Handler>,
}

// === impl ErrorClassifyLayer ===

impl ErrorClassifyLayer {
    /// A layer with the defaults of the [module page](super), and its own session.
    pub fn new() -> Self {
        let settings = Settings {
            endpoints: Endpoints::new(ClassifyConfig::default()),
            clock: Clock::default(),
            session: Arc::new(Tracker::new()),
            handler: None,
        };
        Self { settings: Arc::new(settings) }
    }

    /// Sets the classifier of responses: a [`Preset`](super::Preset), or your own.
    pub fn classifier(self, classifier: impl Classifier) -> Self {
        self.base(|config| config.classifier(classifier))
    }

    /// Names the stack that this layer belongs to: the field `stack` of its events. By default there is none.
    /// [`Stack::name`](crate::Stack::name) names all layers of a stack.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        Arc::make_mut(&mut self.settings).endpoints.set_stack(name.into());
        self
    }

    /// Turns failing responses into an `Err` of the kind [`ErrorKind::Response`](crate::ErrorKind::Response).
    pub fn error_for_status(self) -> Self {
        self.base(ClassifyConfig::error_for_status)
    }

    /// Sets how many bytes of a failing response's body become part of the error, at most; the rest is not read.
    pub fn error_body_bytes(self, max: usize) -> Self {
        self.base(|config| config.error_body_bytes(max))
    }

    /// Sets how long that body is read, at most, counted from the head of the response. The
    /// [`Deadline`](crate::extensions::Deadline) may end it earlier. What has arrived by then becomes part of the error.
    pub fn error_body_wait(self, max: Duration) -> Self {
        self.base(|config| config.error_body_wait(max))
    }

    /// Gives the requests that match `pattern` their own settings.
    ///
    /// The closure starts from the settings that apply to them [so far](EndpointPattern#settings-so-far); later setters of the layer
    /// do not change the endpoint.
    ///
    /// ```
    /// use tower_heed::{ErrorClassifyLayer, classify::Preset};
    ///
    /// ErrorClassifyLayer::new()
    ///     .classifier(Preset::Clerk)
    ///     .endpoint("POST /v1/users".parse()?, |config| config.classifier(Preset::Standard))
    ///     .endpoint("GET /health".parse()?, |config| config.public());
    /// # Ok::<(), tower_heed::error::InvalidConfig>(())
    /// ```
    pub fn endpoint(
        self,
        pattern: EndpointPattern,
        configure: impl FnOnce(ClassifyConfig) -> ClassifyConfig,
    ) -> Self {
        self.set_endpoint(pattern, Some(configure))
    }

    /// The endpoint of a stack: without a change, only its name is new.
    pub(crate) fn set_endpoint(
        mut self,
        pattern: EndpointPattern,
        change: Option<impl FnOnce(ClassifyConfig) -> ClassifyConfig>,
    ) -> Self {
        Arc::make_mut(&mut self.settings).endpoints.configure(pattern, change);
        self
    }

    /// Sets the clock. Resets that are dates are compared with its wall time.
    pub fn clock(mut self, clock: Clock) -> Self {
        Arc::make_mut(&mut self.settings).clock = clock;
        self
    }

    /// Runs `handler` once for each change into [`Unauthenticated`](super::AuthStatus::Unauthenticated).
    ///
    /// The handler runs on its own task, never twice at a time, and its own requests do not start it. It does not run again
    /// while the status stays `Unauthenticated`, so it should retry a failed login. See the [module page](super#recovery).
    ///
    /// Make the client for the handler's own requests from this layer *before* it gets the handler:
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
    pub fn on_unauthenticated<F, Fut>(mut self, handler: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handler = Arc::new(move || Box::pin(handler()) as _);
        Arc::make_mut(&mut self.settings).handler = Some(handler);
        self
    }

    /// The status of the session.
    #[must_use]
    pub fn status(&self) -> SessionStatus {
        SessionStatus::new(self.settings.session.subscribe())
    }

    fn base(mut self, change: impl FnOnce(ClassifyConfig) -> ClassifyConfig) -> Self {
        let base = Arc::make_mut(&mut self.settings).endpoints.base_mut();
        *base = change(base.clone());
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
        ErrorClassify::new(inner, Arc::clone(&self.settings))
    }
}

// === impl Settings ===

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("endpoints", &self.endpoints)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
