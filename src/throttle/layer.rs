use std::{borrow::Cow, fmt, num::NonZeroUsize, sync::Arc, time::Duration};

use http::request::Parts;
use tower_layer::Layer;

use super::{Config, Throttle, ThrottleHandle, key::Key, keys::Keys};
use crate::{
    chance,
    classify::{Classifier, Preset},
    clock::Clock,
    endpoint::Endpoints,
    error::InvalidConfig,
    metrics as meter,
    throttle::limiter::Quota,
};

/// Holds requests back until the server will take them: at its limit, and not beyond.
///
/// The [module page](super) is its manual, with the defaults.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ThrottleLayer {
    rules: Arc<Rules>,
}

/// What a layer, its services and their calls share.
#[derive(Clone)]
pub(super) struct Rules {
    pub(super) endpoints: Endpoints<Config>,
    pub(super) key: Option<Key>,
    pub(super) classifier: Arc<dyn Classifier>,
    pub(super) clock: Clock,
    pub(super) max_hold: Duration,
    pub(super) max_keys: NonZeroUsize,
    pub(super) keys: Arc<Keys>,
}

// === impl ThrottleLayer ===

impl ThrottleLayer {
    /// Ninety seconds: what a quota counted by the minute can ask for, with room for those who are before in the line.
    pub const DEFAULT_MAX_WAIT: Duration = Config::MAX_WAIT;

    /// A thousand: few clients talk to as many servers at a time. A key of which little is known takes about a kilobyte; of
    /// one with counters the last requests are remembered, in a hundred kilobytes for each counter at most, and four of them.
    pub const DEFAULT_MAX_KEYS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);

    /// A layer with the defaults, of which no quota is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// The longest wait for a turn, from the first poll of the call's future to the send. A request whose turn comes later
    /// fails with [`Throttled`](super::Throttled), at once where that is known.
    pub fn max_wait(self, max_wait: Duration) -> Self {
        self.rules(|rules| {
            let base = rules.endpoints.base_mut();
            *base = base.clone().max_wait(max_wait);
        })
    }

    /// The longest that a server can have all requests of a key held back by one answer: when it is over, one request asks
    /// again. Default: [`Quota::DEFAULT_MAX_HOLD`]. It holds for keys that are new from now on.
    pub fn max_hold(self, max_hold: Duration) -> Self {
        self.rules(|rules| rules.max_hold = max_hold)
    }

    /// How many keys are kept. At the cap a new key takes the place of one that was not used for long and has no request
    /// waiting or under way; if there is none, the requests of the new key are sent as they come.
    pub fn max_keys(self, max_keys: NonZeroUsize) -> Self {
        self.rules(|rules| rules.max_keys = max_keys)
    }

    /// Says which quota a request counts against, in place of its origin: a tenant, a credential's name. Requests for which it
    /// says nothing count against their origin's.
    ///
    /// The key stands in errors, events and [snapshots](super::KeySnapshot), so it may not be a secret.
    ///
    /// ```
    /// use tower_heed::ThrottleLayer;
    ///
    /// ThrottleLayer::new()
    ///     .key(|head| head.headers.get("x-tenant")?.to_str().ok().map(Into::into));
    /// ```
    pub fn key<F>(self, key: F) -> Self
    where
        F: Fn(&Parts) -> Option<Cow<'_, str>> + Send + Sync + 'static,
    {
        self.rules(|rules| rules.key = Some(Arc::new(key)))
    }

    /// Says which answers are refusals because of a limit, where no other layer has said it.
    pub fn classifier(self, classifier: impl Classifier) -> Self {
        self.rules(|rules| rules.classifier = Arc::new(classifier))
    }

    /// Where the time comes from.
    pub fn clock(self, clock: Clock) -> Self {
        self.rules(|rules| rules.clock = clock)
    }

    /// Gives the requests that match `pattern` rules of their own; see [`EndpointPattern`](crate::EndpointPattern) for the syntax.
    ///
    /// The closure gets what the layer has been given so far, so settings for all endpoints come before.
    ///
    /// ```
    /// use tower_heed::{ThrottleLayer, extensions::Priority};
    ///
    /// ThrottleLayer::new()
    ///     .endpoint("POST /oauth/token", |config| config.own_quota().priority(Priority::High))?
    ///     .endpoint("GET /search/{*rest}", |config| config.shared("search"))?
    ///     .endpoint("GET /events", |config| config.exempt())?;
    /// # Ok::<(), tower_heed::error::InvalidConfig>(())
    /// ```
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
        endpoints.insert(pattern.parse()?, configure(endpoints.base().clone()));
        Ok(self)
    }

    /// Shows what is known of each key.
    #[must_use]
    pub fn handle(&self) -> ThrottleHandle {
        ThrottleHandle::new(Arc::clone(&self.rules.keys), self.rules.clock.clone())
    }

    fn rules(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(Arc::make_mut(&mut self.rules));
        self
    }
}

impl<S> Layer<S> for ThrottleLayer {
    type Service = Throttle<S>;

    fn layer(&self, inner: S) -> Self::Service {
        meter::layered();
        Throttle::new(inner, Arc::clone(&self.rules))
    }
}

// === impl Rules ===

impl Rules {
    /// That of a new key.
    pub(super) fn quota(&self) -> Quota {
        Quota::new().max_hold(self.max_hold).chance(chance::draw().to_bits())
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            endpoints: Endpoints::new(Config::default()),
            key: None,
            classifier: Arc::new(Preset::Standard),
            clock: Clock::default(),
            max_hold: Quota::DEFAULT_MAX_HOLD,
            max_keys: ThrottleLayer::DEFAULT_MAX_KEYS,
            keys: Arc::default(),
        }
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("endpoints", &self.endpoints)
            .field("clock", &self.clock)
            .field("max_hold", &self.max_hold)
            .field("max_keys", &self.max_keys)
            .finish_non_exhaustive()
    }
}
