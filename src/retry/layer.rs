use std::{fmt, sync::Arc, time::Duration};

use tower_layer::Layer;

use super::{Backoff, Retries, RetryBudget, RetryConfig, RetryOnRateLimitService};
use crate::{
    EndpointPattern,
    classify::{Classifier, Preset},
    clock::Clock,
    endpoint::Endpoints,
    metrics as meter,
};

/// Retries requests that the server rate limited or failed, after the wait that the server asked for.
///
/// The [module page](super) has the rules and the defaults.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct RetryOnRateLimit {
    settings: Arc<Settings>,
}

/// What a layer, its services and their calls share.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) endpoints: Endpoints<RetryConfig>,
    pub(super) budget: RetryBudget,
    pub(super) classifier: Arc<dyn Classifier>,
    pub(super) clock: Clock,
}

// === impl RetryOnRateLimit ===

impl RetryOnRateLimit {
    /// How much of a failing response's body is read, so that its connection can be used again: 64 KiB. Reading a longer one
    /// would cost more than a new connection.
    pub const DRAIN_MAX_BYTES: usize = 64 * 1024;

    /// How long that body is read, counted from its head: one second, and never longer than the wait before the next attempt.
    pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

    /// A layer with the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the retries of requests that the server asked to send later: rate limited, or 503 and 529 with `Retry-After`. The closure
    /// starts from the layer's settings so far. Default: [`Retries::RATE_LIMITS`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_heed::{RetryOnRateLimit, retry::{Backoff, Retries}};
    ///
    /// let backoff = Backoff::exponential(Duration::from_millis(50), Duration::from_secs(1))?;
    /// RetryOnRateLimit::new()
    ///     .rate_limits(|retries| retries.max(3))
    ///     .failures(|retries| retries.max(1).backoff(backoff))
    ///     .endpoint("POST /login".parse()?, |config| config.failures(Retries::off));
    /// # Ok::<(), tower_heed::error::InvalidConfig>(())
    /// ```
    pub fn rate_limits(self, configure: impl FnOnce(Retries) -> Retries) -> Self {
        self.base(|config| config.rate_limits(configure))
    }

    /// Sets the retries after failures of the server or the connection. The closure starts from the layer's settings so far. Default:
    /// [`Retries::FAILURES`].
    pub fn failures(self, configure: impl FnOnce(Retries) -> Retries) -> Self {
        self.base(|config| config.failures(configure))
    }

    /// Sets the number of retries after the first attempt, at most, in all and for each of rate limits and failures. Where a [`ThrottleLayer`](crate::ThrottleLayer) inside makes them wait, up to eight attempts within the time of one backoff step
    /// count as one retry. With 0 a request is sent again only for a replaced token, which is no retry;
    /// [`NoRetry`](crate::extensions::NoRetry) forbids that too.
    pub fn max_retries(self, max_retries: u32) -> Self {
        self.base(|config| config.max_retries(max_retries))
    }

    /// Sets the waits if the server names none, and the jitter after every wait, for rate limits and for failures alike.
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.base(|config| config.backoff(backoff))
    }

    /// Sets the longest wait between two attempts, jitter included, counted from the head of the failing response. If the server
    /// or the backoff asks for more, the response is returned at once.
    pub fn max_wait(self, max_wait: Duration) -> Self {
        self.base(|config| config.max_wait(max_wait))
    }

    /// Sets the budget of all callers together for retries after failures of the server or the connection.
    pub fn budget(self, budget: RetryBudget) -> Self {
        self.set(|settings| settings.budget = budget)
    }

    /// Sets the classifier of responses that no other layer has classified.
    pub fn classifier(self, classifier: impl Classifier) -> Self {
        self.set(|settings| settings.classifier = Arc::new(classifier))
    }

    /// Sets the clock.
    pub fn clock(self, clock: Clock) -> Self {
        self.set(|settings| settings.clock = clock)
    }

    /// Names the stack that this layer belongs to: the field `stack` of its events, and the label `stack` of its metrics. By default there is none.
    /// [`Stack::name`](crate::Stack::name) names all layers of a stack.
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        self.set(|settings| settings.endpoints.set_stack(name.into()))
    }

    /// Gives the requests that match `pattern` their own settings.
    ///
    /// The closure starts from the settings that apply to them [so far](EndpointPattern#settings-so-far); later setters of the layer
    /// do not change the endpoint.
    pub fn endpoint(
        self,
        pattern: EndpointPattern,
        configure: impl FnOnce(RetryConfig) -> RetryConfig,
    ) -> Self {
        self.set_endpoint(pattern, Some(configure))
    }

    /// The endpoint of a stack: without a change, only its name is new.
    pub(crate) fn set_endpoint(
        self,
        pattern: EndpointPattern,
        change: Option<impl FnOnce(RetryConfig) -> RetryConfig>,
    ) -> Self {
        self.set(|settings| settings.endpoints.configure(pattern, change))
    }

    fn base(self, change: impl FnOnce(RetryConfig) -> RetryConfig) -> Self {
        self.set(|settings| {
            let base = settings.endpoints.base_mut();
            *base = change(*base);
        })
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl<S> Layer<S> for RetryOnRateLimit {
    type Service = RetryOnRateLimitService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        meter::layered();
        RetryOnRateLimitService::new(inner, Arc::clone(&self.settings))
    }
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoints: Endpoints::new(RetryConfig::default()),
            budget: RetryBudget::default(),
            classifier: Arc::new(Preset::Standard),
            clock: Clock::default(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("endpoints", &self.endpoints)
            .field("budget", &self.budget)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
