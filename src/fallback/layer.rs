use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::Response;
use tower_layer::Layer;

use super::{FailedRequest, Fallback, FallbackConfig, respond::Respond};
use crate::{
    classify::{Classifier, ErrorClass, Preset},
    clock::Clock,
    endpoint::{EndpointPattern, Endpoints},
    metrics as meter,
};

/// Decides what the caller gets when the upstream is down: a fallback response, or an error that says so.
///
/// The [module page](super) lists the defaults.
#[derive(Clone, Debug)]
#[must_use]
pub struct FallbackLayer {
    settings: Arc<Settings>,
}

/// Settings that a layer, its services and their calls share.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) endpoints: Endpoints<Arc<FallbackConfig>>,
    pub(super) classifier: Arc<dyn Classifier>,
    pub(super) clock: Clock,
}

// === impl FallbackLayer ===

impl FallbackLayer {
    /// The part of a failed response's body that is read so that its connection can be used again: 64 KiB. A longer body is dropped
    /// there, and unread if its length is known.
    pub const DRAIN_MAX_BYTES: usize = 64 * 1024;

    /// The time to wait for a failed response's body, from the arrival of its head: 100 ms, because the caller waits as well, and
    /// bodies of failures usually arrive with their heads. If the call's [`Deadline`](crate::extensions::Deadline) is nearer, the
    /// layer does not wait.
    pub const DRAIN_TIMEOUT: Duration = Duration::from_millis(100);

    /// **Fails open**: on a failure the caller gets the response of `respond`, marked [`Degraded`](crate::extensions::Degraded).
    ///
    /// `respond` returns a `Response`, or an `Option` of one; with `None` the call fails closed. The body is anything that becomes
    /// [`Bytes`]: a `&'static str`, a `String`, a `Vec<u8>`.
    ///
    /// A failure that concerns credentials never fails open, whatever its class: it passes through.
    ///
    /// ```
    /// use http::Response;
    /// use tower_heed::FallbackLayer;
    ///
    /// FallbackLayer::fail_open(|_| Response::new("[]"))
    ///     .endpoint("GET /flags/{name}".parse()?, |config| config.fail_open(|_| Response::new("false")))
    ///     .endpoint("POST /{*path}".parse()?, |config| config.fail_closed());
    /// # Ok::<(), tower_heed::error::InvalidConfig>(())
    /// ```
    pub fn fail_open<F, R, T>(respond: F) -> Self
    where
        F: Fn(&FailedRequest) -> R + Send + Sync + 'static,
        R: Into<Option<Response<T>>>,
        T: Into<Bytes>,
    {
        Self::new(FallbackConfig::open(Respond::sync(respond)))
    }

    /// As [`fail_open`](Self::fail_open), with an async closure, such as one that reads from a database. The time limits of the
    /// layers inside do not apply to its future.
    pub fn fail_open_async<F, Fut, R, T>(respond: F) -> Self
    where
        F: Fn(FailedRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = R> + Send + 'static,
        R: Into<Option<Response<T>>>,
        T: Into<Bytes>,
    {
        Self::new(FallbackConfig::open(Respond::asynchronous(respond)))
    }

    /// **Fails closed**: a failure becomes an [`UpstreamUnavailable`](crate::ErrorKind::UpstreamUnavailable) error. A 401, 407 or
    /// 429 of the upstream is never passed on as if it were this program's own, whatever a classifier makes of it.
    pub fn fail_closed() -> Self {
        Self::new(FallbackConfig::CLOSED)
    }

    fn new(base: FallbackConfig) -> Self {
        let endpoints = Endpoints::new(Arc::new(base));
        let classifier = Arc::new(Preset::Standard);
        Self { settings: Arc::new(Settings { endpoints, classifier, clock: Clock::default() }) }
    }

    /// Names the stack that this layer belongs to: the field `stack` of its events, and the label `stack` of its metrics. By default there is none.
    /// [`Stack::name`](crate::Stack::name) names all layers of a stack.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        Arc::make_mut(&mut self.settings).endpoints.set_stack(name.into());
        self
    }

    /// Fails open on this class. Without a closure it fails closed; `Unauthenticated` and `Forbidden` are left as they are: see
    /// [`FallbackConfig::fail_open_on`].
    pub fn fail_open_on(self, class: ErrorClass) -> Self {
        self.base(|base| base.fail_open_on(class))
    }

    /// Fails closed on this class.
    pub fn fail_closed_on(self, class: ErrorClass) -> Self {
        self.base(|base| base.fail_closed_on(class))
    }

    /// Passes failures of this class through.
    pub fn pass_through_on(self, class: ErrorClass) -> Self {
        self.base(|base| base.pass_through_on(class))
    }

    /// **Treats callers that the upstream does not know as if it did.** See
    /// [`FallbackConfig::dangerously_let_in_unauthenticated`].
    pub fn dangerously_let_in_unauthenticated(self) -> Self {
        self.base(FallbackConfig::dangerously_let_in_unauthenticated)
    }

    /// **Treats callers that the upstream forbids this request as if it did not.** See
    /// [`FallbackConfig::dangerously_let_in_forbidden`].
    pub fn dangerously_let_in_forbidden(self) -> Self {
        self.base(FallbackConfig::dangerously_let_in_forbidden)
    }

    /// Configures the requests that match `pattern`. The closure starts from the settings that apply to them
    /// [so far](EndpointPattern#settings-so-far); later setters of the layer do not change the endpoint.
    pub fn endpoint<F>(self, pattern: EndpointPattern, configure: F) -> Self
    where
        F: FnOnce(FallbackConfig) -> FallbackConfig,
    {
        self.set_endpoint(pattern, Some(configure))
    }

    /// The endpoint of a stack: without a change, only its name is new.
    pub(crate) fn set_endpoint<F>(mut self, pattern: EndpointPattern, change: Option<F>) -> Self
    where
        F: FnOnce(FallbackConfig) -> FallbackConfig,
    {
        let change =
            change.map(|change| |config: Arc<_>| Arc::new(change(FallbackConfig::clone(&config))));
        Arc::make_mut(&mut self.settings).endpoints.configure(pattern, change);
        self
    }

    /// Sets the classifier for responses that no inner layer has classified: a [`Preset`], or your own.
    pub fn classifier(mut self, classifier: impl Classifier) -> Self {
        Arc::make_mut(&mut self.settings).classifier = Arc::new(classifier);
        self
    }

    /// Sets the clock. Dates in headers are measured against its wall time.
    pub fn clock(mut self, clock: Clock) -> Self {
        Arc::make_mut(&mut self.settings).clock = clock;
        self
    }

    fn base(mut self, change: impl FnOnce(FallbackConfig) -> FallbackConfig) -> Self {
        let base = Arc::make_mut(&mut self.settings).endpoints.base_mut();
        *base = Arc::new(change(FallbackConfig::clone(base)));
        self
    }
}

impl<S> Layer<S> for FallbackLayer {
    type Service = Fallback<S>;

    fn layer(&self, inner: S) -> Self::Service {
        meter::layered();
        Fallback::new(inner, Arc::clone(&self.settings))
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
