use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

use tower_layer::Layer;

use super::{CircuitBreaker, CircuitBreakerConfig, CircuitBreakerHandle, circuits::Circuits};
use crate::{
    classify::{Classifier, Preset},
    clock::Clock,
    endpoint::{EndpointPattern, Endpoints},
    metrics as meter,
};

/// Fails at once while the upstream is down, and lets one request at a time find out whether it is back.
///
/// The [module page](super) is its manual, with the defaults.
#[derive(Clone, Debug)]
#[must_use]
pub struct CircuitBreakerLayer {
    shared: Arc<Shared>,
}

/// What a layer, its services and their calls share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) endpoints: Endpoints<CircuitBreakerConfig>,
    pub(super) classifier: Arc<dyn Classifier>,
    pub(super) clock: Clock,
    pub(super) circuits: Arc<Circuits>,
}

// === impl CircuitBreakerLayer ===

impl CircuitBreakerLayer {
    /// Five failures in a row, as Envoy and most others have it: a server that is well does not show them.
    pub const DEFAULT_FAILURES: NonZeroU32 = NonZeroU32::MIN.saturating_add(4);

    /// Five seconds: about as long as a restart, and as the `Retry-After` that the `axum` feature sends by default.
    pub const DEFAULT_OPEN_FOR: Duration = Duration::from_secs(5);

    /// One minute: the longest that a server which is back waits for its first request.
    pub const DEFAULT_MAX_OPEN: Duration = Duration::from_secs(60);

    /// A layer with the defaults: a circuit for each origin.
    pub fn new() -> Self {
        let shared = Shared {
            endpoints: Endpoints::new(CircuitBreakerConfig::default()),
            classifier: Arc::new(Preset::Standard),
            clock: Clock::default(),
            circuits: Arc::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Opens a circuit after this many failures in a row, each within two minutes of the one before. Default:
    /// [`DEFAULT_FAILURES`](Self::DEFAULT_FAILURES).
    ///
    /// Up to four times as many are needed where failures and responses have come by turns: a server that fails half of its requests
    /// shows five failures in a row all the time, and is of use still.
    pub fn failures(self, failures: NonZeroU32) -> Self {
        self.base(|base| base.failures(failures))
    }

    /// Keeps a circuit open for `first`, from the failure that opened it to the first probe. Each probe that fails doubles that, up
    /// to `max`. A tenth of it at most is added at random.
    ///
    /// A longer `Retry-After` of the server takes precedence. Both are cut to an hour. Default:
    /// [`DEFAULT_OPEN_FOR`](Self::DEFAULT_OPEN_FOR) and [`DEFAULT_MAX_OPEN`](Self::DEFAULT_MAX_OPEN).
    pub fn open_for(self, first: Duration, max: Duration) -> Self {
        self.base(|base| base.open_for(first, max))
    }

    /// Gives the requests that match `pattern` their own settings.
    ///
    /// The closure starts from the settings that apply to them [so far](EndpointPattern#settings-so-far); later settings of the layer
    /// do not change this endpoint.
    ///
    /// ```
    /// use tower_heed::CircuitBreakerLayer;
    ///
    /// CircuitBreakerLayer::new()
    ///     .endpoint("GET /search".parse()?, |config| config.own_circuit())
    ///     .endpoint("GET /health".parse()?, |config| config.exempt());
    /// # Ok::<(), tower_heed::error::InvalidConfig>(())
    /// ```
    pub fn endpoint<F>(self, pattern: EndpointPattern, configure: F) -> Self
    where
        F: FnOnce(CircuitBreakerConfig) -> CircuitBreakerConfig,
    {
        self.set_endpoint(pattern, Some(configure))
    }

    /// The endpoint of a stack: without a change, only its name is new.
    pub(crate) fn set_endpoint<F>(self, pattern: EndpointPattern, change: Option<F>) -> Self
    where
        F: FnOnce(CircuitBreakerConfig) -> CircuitBreakerConfig,
    {
        let at = pattern.clone();
        let change = change.map(|change| move |config| change(config).at(&at));
        self.set(|shared| shared.endpoints.configure(pattern, change))
    }

    /// Decides which responses are failures, where no layer inside has classified them. Default: [`Preset::Standard`].
    pub fn classifier(self, classifier: impl Classifier) -> Self {
        self.set(|shared| shared.classifier = Arc::new(classifier))
    }

    /// Sets the clock. Dates in headers are measured against its wall time.
    pub fn clock(self, clock: Clock) -> Self {
        self.set(|shared| shared.clock = clock)
    }

    /// Names the stack that this layer belongs to: the field `stack` of its events, and the label `stack` of its metrics. By default
    /// there is none. [`Stack::name`](crate::Stack::name) names all layers of a stack.
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        self.set(|shared| shared.endpoints.set_stack(name.into()))
    }

    /// Shows the circuits.
    #[must_use]
    pub fn handle(&self) -> CircuitBreakerHandle {
        CircuitBreakerHandle::new(Arc::clone(&self.shared.circuits), self.shared.clock.clone())
    }

    fn base(self, change: impl FnOnce(CircuitBreakerConfig) -> CircuitBreakerConfig) -> Self {
        self.set(|shared| {
            let base = shared.endpoints.base_mut();
            *base = change(base.clone());
        })
    }

    fn set(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        change(Arc::make_mut(&mut self.shared));
        self
    }
}

impl Default for CircuitBreakerLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for CircuitBreakerLayer {
    type Service = CircuitBreaker<S>;

    fn layer(&self, inner: S) -> Self::Service {
        meter::layered();
        CircuitBreaker::new(inner, Arc::clone(&self.shared))
    }
}

// === impl Shared ===

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("endpoints", &self.endpoints)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
