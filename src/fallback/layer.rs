use std::{fmt, sync::Arc, time::Duration};

use tower_layer::Layer;

use super::{Config, Failure, Fallback, IntoFallback, answer::Answer};
use crate::{
    classify::{Classifier, ErrorClass, Preset},
    clock::Clock,
    endpoint::Endpoints,
    error::InvalidConfig,
    metrics as meter,
};

/// Says what the caller gets when the upstream is out: an answer in its place, or an error that says so.
///
/// The [module page](super) is its manual, with the defaults.
#[derive(Clone, Debug)]
#[must_use]
pub struct FallbackLayer {
    rules: Arc<Rules>,
}

/// What a layer, its services and their calls share.
#[derive(Clone)]
pub(super) struct Rules {
    pub(super) endpoints: Endpoints<Arc<Config>>,
    pub(super) classifier: Arc<dyn Classifier>,
    pub(super) clock: Clock,
}

// === impl FallbackLayer ===

impl FallbackLayer {
    /// How much of a failed answer's body is read, so that its connection can be used again: 64 KiB. A longer one is let go
    /// there, and unread if it says so beforehand.
    pub const DRAIN_MAX_BYTES: usize = 64 * 1024;

    /// How long a failed answer's body is waited for, from the moment its head was read: a tenth of a second, for the
    /// caller waits as well. The bodies of failures come with their heads, or are not worth waiting for. Where the call's
    /// [`Deadline`](crate::extensions::Deadline) is nearer, what is not there at once is not waited for.
    pub const DRAIN_TIMEOUT: Duration = Duration::from_millis(100);

    /// **Open**: a failure is answered by what `answer` makes of it, marked [`Degraded`](crate::extensions::Degraded).
    ///
    /// Never for a failure that has to do with credentials, whatever its class: those pass as they come. If `answer` gives
    /// `None`, the call fails closed.
    ///
    /// ```
    /// use http::Response;
    /// use tower_heed::FallbackLayer;
    ///
    /// FallbackLayer::fail_open(|_| Response::new("[]"))
    ///     .endpoint("GET /flags/{name}", |config| config.fail_open(|_| Response::new("false")))?
    ///     .endpoint("POST /{*path}", |config| config.fail_closed())?;
    /// # Ok::<(), tower_heed::error::InvalidConfig>(())
    /// ```
    pub fn fail_open<F, A>(answer: F) -> Self
    where
        F: Fn(&Failure) -> A + Send + Sync + 'static,
        A: IntoFallback,
    {
        Self::new(Config::open(Answer::now(answer)))
    }

    /// As [`fail_open`](Self::fail_open), with an answer that has to be waited for: from a database, from another
    /// server. No time limit of the layers inside holds for it, so give it one.
    pub fn fail_open_async<F, Fut, A>(answer: F) -> Self
    where
        F: Fn(Failure) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = A> + Send + 'static,
        A: IntoFallback,
    {
        Self::new(Config::open(Answer::later(answer)))
    }

    /// **Closed**: a failure becomes [`UpstreamUnavailable`](super::UpstreamUnavailable), so that no 401, 407 or 429 of the
    /// upstream is passed on as if it were this program's own, whatever a classifier takes it for.
    pub fn fail_closed() -> Self {
        Self::new(Config::closed())
    }

    fn new(base: Config) -> Self {
        let endpoints = Endpoints::new(Arc::new(base));
        let classifier = Arc::new(Preset::Standard);
        Self { rules: Arc::new(Rules { endpoints, classifier, clock: Clock::default() }) }
    }

    /// Failures of this class are answered by the closure that was given to `fail_open`.
    ///
    /// # Errors
    ///
    /// A layer that fails closed has no closure. `Unauthenticated` and `Forbidden` are refused: see
    /// [`dangerously_let_in_unauthenticated`](Self::dangerously_let_in_unauthenticated).
    pub fn fail_open_on(self, class: ErrorClass) -> Result<Self, InvalidConfig> {
        self.base_checked(|base| base.fail_open_on(class))
    }

    /// Failures of this class become [`UpstreamUnavailable`](super::UpstreamUnavailable).
    pub fn fail_closed_on(self, class: ErrorClass) -> Self {
        self.base(|base| base.fail_closed_on(class))
    }

    /// Failures of this class pass as they come.
    pub fn pass_through_on(self, class: ErrorClass) -> Self {
        self.base(|base| base.pass_through_on(class))
    }

    /// **Whoever the upstream does not know is answered as if it did.** See
    /// [`Config::dangerously_let_in_unauthenticated`].
    ///
    /// # Errors
    ///
    /// A layer that fails closed has no closure to answer with.
    pub fn dangerously_let_in_unauthenticated(self) -> Result<Self, InvalidConfig> {
        self.base_checked(Config::dangerously_let_in_unauthenticated)
    }

    /// **Whoever the upstream does not allow this is answered as if it did.** See
    /// [`Config::dangerously_let_in_forbidden`].
    ///
    /// # Errors
    ///
    /// A layer that fails closed has no closure to answer with.
    pub fn dangerously_let_in_forbidden(self) -> Result<Self, InvalidConfig> {
        self.base_checked(Config::dangerously_let_in_forbidden)
    }

    /// Gives the requests that match `pattern` a configuration of their own; see [`EndpointPattern`](crate::EndpointPattern) for the syntax. It starts as
    /// the layer's is at this line.
    ///
    /// # Errors
    ///
    /// A pattern that is malformed or there already, or a configuration that would fail open without a closure or let in
    /// whoever the upstream refuses.
    pub fn endpoint<F>(mut self, pattern: &str, configure: F) -> Result<Self, InvalidConfig>
    where
        F: FnOnce(Config) -> Config,
    {
        let endpoints = &mut Arc::make_mut(&mut self.rules).endpoints;
        let config = configure(Config::clone(endpoints.base())).checked()?;
        endpoints.insert(pattern.parse()?, Arc::new(config));
        Ok(self)
    }

    /// Says what an answer means where no layer inside has; a [`Preset`], or your own.
    pub fn classifier(mut self, classifier: impl Classifier) -> Self {
        Arc::make_mut(&mut self.rules).classifier = Arc::new(classifier);
        self
    }

    /// Takes the time from `clock`: waits that are given as dates are measured against its wall time.
    pub fn clock(mut self, clock: Clock) -> Self {
        Arc::make_mut(&mut self.rules).clock = clock;
        self
    }

    fn base(mut self, change: impl FnOnce(Config) -> Config) -> Self {
        let base = Arc::make_mut(&mut self.rules).endpoints.base_mut();
        *base = Arc::new(change(Config::clone(base)));
        self
    }

    fn base_checked(self, change: impl FnOnce(Config) -> Config) -> Result<Self, InvalidConfig> {
        let layer = self.base(change);
        Config::clone(layer.rules.endpoints.base()).checked()?;
        Ok(layer)
    }
}

impl<S> Layer<S> for FallbackLayer {
    type Service = Fallback<S>;

    fn layer(&self, inner: S) -> Self::Service {
        meter::layered();
        Fallback::new(inner, Arc::clone(&self.rules))
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("endpoints", &self.endpoints)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
