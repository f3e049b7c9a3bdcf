use std::{fmt, num::NonZeroUsize, sync::Arc};

use http::{Request, StatusCode};
use tower_layer::Layer;

use super::{
    Detach, DetachHandle, DetachedRequest, Failure, pending::Callbacks, queue::Queue, state::Limits,
};
use crate::{
    classify::{Classifier, Preset},
    clock::Clock,
    endpoint::{EndpointPattern, Endpoints},
    metrics as meter,
};

/// Responds 202 for named endpoints, and sends their requests in the background. The queue is in memory only.
///
/// The [module page](super) lists the defaults.
#[derive(Clone, Debug)]
#[must_use]
pub struct DetachLayer {
    settings: Arc<Settings>,
}

/// What happens to the requests of one endpoint. The closure of [`DetachLayer::endpoint`] gets one that is detached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetachConfig {
    is_detached: bool,
    /// Whether the pattern names the method.
    names_method: bool,
}

/// Settings that a layer and its services share.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) endpoints: Endpoints<DetachConfig>,
    pub(super) limits: Limits,
    pub(super) classifier: Arc<dyn Classifier>,
    pub(super) callbacks: Callbacks,
    pub(super) clock: Clock,
    pub(super) queue: Arc<Queue>,
}

// === impl DetachLayer ===

impl DetachLayer {
    /// A thousand requests: some seconds of a busy server's logins, and a few megabytes at a few kilobytes each.
    pub const DEFAULT_MAX_QUEUED: usize = 1_000;

    /// Four requests: enough that one slow response does not block the rest, few enough to leave connections and rate limit to
    /// calls that wait for their responses.
    pub const DEFAULT_MAX_CONCURRENT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);

    /// A layer with its own queue, which detaches nothing until an [`endpoint`](Self::endpoint) is named.
    pub fn new() -> Self {
        let limits = Limits {
            max_queued: Self::DEFAULT_MAX_QUEUED,
            max_concurrent: Self::DEFAULT_MAX_CONCURRENT.get(),
        };
        let settings = Settings {
            endpoints: Endpoints::new(DetachConfig { is_detached: false, names_method: false }),
            limits,
            classifier: Arc::new(Preset::Standard),
            callbacks: Callbacks::default(),
            clock: Clock::default(),
            queue: Arc::default(),
        };
        Self { settings: Arc::new(settings) }
    }

    /// Names the stack that this layer is around: the field `stack` of its events, and the label `stack` of its metrics. By default
    /// there is none. Give it the name of the [stack](crate::Stack::name) inside.
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        self.set(|settings| settings.endpoints.set_stack(name.into()))
    }

    /// Detaches the requests that match `pattern`, unless the closure attaches them. It starts from a detached endpoint, whatever
    /// the settings so far.
    ///
    /// A safe method, such as `GET`, is detached only if the pattern names it: the caller of `GET /logs/7` wants to read the response.
    /// A request that [could be](EndpointPattern#other-spellings) for an endpoint that is not detached is not, either.
    ///
    /// ```
    /// use tower_heed::DetachLayer;
    ///
    /// DetachLayer::new()
    ///     .endpoint("POST /logs/{*rest}".parse()?, |config| config)
    ///     // This response matters.
    ///     .endpoint("POST /logs/audit".parse()?, |config| config.attached());
    /// # Ok::<(), tower_heed::error::InvalidConfig>(())
    /// ```
    pub fn endpoint<F>(self, pattern: EndpointPattern, configure: F) -> Self
    where
        F: FnOnce(DetachConfig) -> DetachConfig,
    {
        let names_method = pattern.method().is_some();
        let config = configure(DetachConfig { is_detached: true, names_method });
        self.set(|settings| settings.endpoints.insert(pattern, config))
    }

    /// Limits the queue to `max_queued` requests, in addition to those in flight. The next one fails at once, with
    /// [`NotQueued`](crate::ErrorKind::NotQueued). With zero a request is sent at once or fails.
    pub fn max_queued(self, max_queued: usize) -> Self {
        self.set(|settings| settings.limits.max_queued = max_queued)
    }

    /// Limits the requests in flight, from the moment a request leaves the queue until its response body is drained. This includes
    /// the wait for readiness.
    pub fn max_concurrent(self, max_concurrent: NonZeroUsize) -> Self {
        self.set(|settings| settings.limits.max_concurrent = max_concurrent.get())
    }

    /// Sets the classifier for responses that no inner layer has classified.
    pub fn classifier(self, classifier: impl Classifier) -> Self {
        self.set(|settings| settings.classifier = Arc::new(classifier))
    }

    /// Runs `callback` once for each request that got a 202 and failed. It replaces an earlier callback.
    ///
    /// The callback runs on the task that sent the request, or where the queue is shut down or dropped, in the span of the call. It
    /// must not block: send to a channel if there is much to do. A panic is logged and has no other effect.
    ///
    /// ```
    /// use tower_heed::{DetachLayer, detach::Failure};
    ///
    /// DetachLayer::new().on_failure(|request, failure| match failure {
    ///     Failure::Discarded => eprintln!("{request} was never sent"),
    ///     failure => eprintln!("{request}: {failure}"),
    /// });
    /// ```
    pub fn on_failure<F>(self, callback: F) -> Self
    where
        F: Fn(DetachedRequest, Failure) + Send + Sync + 'static,
    {
        self.set(|settings| settings.callbacks.on_failure = Some(Arc::new(callback)))
    }

    /// Runs `callback` once for each request that got a 202 and succeeded, as [`on_failure`](Self::on_failure) does for the others.
    pub fn on_success<F>(self, callback: F) -> Self
    where
        F: Fn(DetachedRequest, StatusCode) + Send + Sync + 'static,
    {
        self.set(|settings| settings.callbacks.on_success = Some(Arc::new(callback)))
    }

    /// Sets the clock. Dates in headers are measured against its wall time.
    pub fn clock(self, clock: Clock) -> Self {
        self.set(|settings| settings.clock = clock)
    }

    /// A handle to shut the queue down at the end of the program.
    #[must_use]
    pub fn handle(&self) -> DetachHandle {
        DetachHandle::new(Arc::clone(&self.settings.queue))
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl Default for DetachLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for DetachLayer {
    type Service = Detach<S>;

    fn layer(&self, inner: S) -> Self::Service {
        meter::layered();
        Detach::new(inner, Arc::clone(&self.settings))
    }
}

// === impl DetachConfig ===

impl DetachConfig {
    /// Passes the requests through: an exception from a wider pattern.
    #[must_use]
    pub const fn attached(self) -> Self {
        Self { is_detached: false, ..self }
    }
}

// === impl Settings ===

impl Settings {
    /// The pattern of a request that is detached: it is so in every reading, and its method may change something or is named.
    pub(super) fn endpoint_of<B>(&self, request: &Request<B>) -> Option<Arc<str>> {
        let endpoint = self.endpoints.candidates(request);
        let is_safe = request.method().is_safe() || request.method().as_str() == "QUERY";
        let mut configs = endpoint.configured().iter().copied().chain(endpoint.base());
        let is_detached =
            configs.all(|config| config.is_detached && (config.names_method || !is_safe));
        is_detached.then(|| endpoint.shared_pattern()).flatten()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("endpoints", &self.endpoints)
            .field("limits", &self.limits)
            .field("clock", &self.clock)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}
