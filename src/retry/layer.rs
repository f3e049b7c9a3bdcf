use std::{fmt, sync::Arc, time::Duration};

use tower_layer::Layer;

use super::{Config, RetryOnRateLimitService};
use crate::{
    classify::{Classifier, Preset},
    clock::Clock,
    endpoint::Endpoints,
    error::InvalidConfig,
    metrics as meter,
    retry::{Backoff, RetryBudget},
};

/// Sends a request again that the server refused because of a limit, after the wait that the server asked for.
///
/// The [module page](super) is its manual, with the defaults.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct RetryOnRateLimit {
    rules: Arc<Rules>,
}

/// What a layer, its services and their calls share.
#[derive(Clone)]
pub(super) struct Rules {
    pub(super) endpoints: Endpoints<Config>,
    pub(super) budget: RetryBudget,
    pub(super) classifier: Arc<dyn Classifier>,
    pub(super) clock: Clock,
}

// === impl RetryOnRateLimit ===

impl RetryOnRateLimit {
    /// How much of a refused answer's body is read, so that its connection can be used again: 64 KiB. A longer one is
    /// let go unread; it would cost more than a new connection.
    pub const DRAIN_MAX_BYTES: usize = 64 * 1024;

    /// How long a refused answer's body is waited for, from the moment its head was read: one second, and never longer
    /// than the wait before the next send. The bodies of refusals come with their heads, or are not worth waiting for.
    pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

    /// A layer with the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends after the first, at most; 0 never sends again and keeps no copy of requests. What the server says about
    /// waiting never adds to it.
    pub fn max_retries(self, max_retries: u32) -> Self {
        self.base(|config| config.max_retries(max_retries))
    }

    /// The waits where the server names none, and the jitter after every wait.
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.base(|config| config.backoff(backoff))
    }

    /// The longest wait between two sends, its jitter included: from the head of the failed answer to the next send.
    /// Where the server or the backoff asks for more, the answer is returned at once; it is never cut short.
    pub fn max_wait(self, max_wait: Duration) -> Self {
        self.base(|config| config.max_wait(max_wait))
    }

    /// The retries that all callers together may make after failures of the server or the connection.
    pub fn budget(self, budget: RetryBudget) -> Self {
        self.rules(|rules| rules.budget = budget)
    }

    /// Who says what an answer means, where no other layer has said it.
    pub fn classifier(self, classifier: impl Classifier) -> Self {
        self.rules(|rules| rules.classifier = Arc::new(classifier))
    }

    /// Where the time comes from.
    pub fn clock(self, clock: Clock) -> Self {
        self.rules(|rules| rules.clock = clock)
    }

    /// Gives the requests that match `pattern` rules of their own, in the form of an [`EndpointPattern`](crate::EndpointPattern): `GET /users/{id}`,
    /// `/files/{*path}`.
    ///
    /// The closure gets what the layer has been given so far, so settings for all endpoints come before.
    ///
    /// # Errors
    ///
    /// A pattern that is no `[METHOD ]/path`, or that is there already. The error names it.
    pub fn endpoint(
        mut self,
        pattern: &str,
        configure: impl FnOnce(Config) -> Config,
    ) -> Result<Self, InvalidConfig> {
        let endpoints = &mut Arc::make_mut(&mut self.rules).endpoints;
        endpoints.insert(pattern.parse()?, configure(*endpoints.base()));
        Ok(self)
    }

    pub(super) fn into_rules(self) -> Arc<Rules> {
        self.rules
    }

    fn base(self, change: impl FnOnce(Config) -> Config) -> Self {
        self.rules(|rules| {
            let base = rules.endpoints.base_mut();
            *base = change(*base);
        })
    }

    fn rules(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(Arc::make_mut(&mut self.rules));
        self
    }
}

impl<S> Layer<S> for RetryOnRateLimit {
    type Service = RetryOnRateLimitService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        meter::layered();
        RetryOnRateLimitService::new(inner, Arc::clone(&self.rules))
    }
}

// === impl Rules ===

impl Default for Rules {
    fn default() -> Self {
        Self {
            endpoints: Endpoints::new(Config::default()),
            budget: RetryBudget::default(),
            classifier: Arc::new(Preset::Standard),
            clock: Clock::default(),
        }
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("endpoints", &self.endpoints)
            .field("budget", &self.budget)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
