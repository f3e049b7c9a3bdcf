use std::{borrow::Cow, fmt, hash::RandomState, num::NonZeroUsize, sync::Arc, time::Duration};

use http::request::Parts;
use tower_layer::Layer;

use super::{
    Throttle, ThrottleConfig, ThrottleHandle,
    key::{KeyFn, KeyName},
    keys::Keys,
    limiter::Quota,
    slot::Slot,
};
use crate::{
    EndpointPattern,
    classify::{Classifier, Preset},
    clock::Clock,
    endpoint::Endpoints,
    metrics,
};

/// Queues requests until the server will accept them: at its limit, and not beyond.
///
/// The [module page](super) is its manual, with the defaults.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ThrottleLayer {
    shared: Arc<Shared>,
}

/// What a layer, its services and their calls share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) endpoints: Endpoints<ThrottleConfig>,
    pub(super) key: Option<KeyFn>,
    pub(super) classifier: Arc<dyn Classifier>,
    pub(super) clock: Clock,
    pub(super) max_block: Duration,
    pub(super) max_keys: NonZeroUsize,
    pub(super) keys: Arc<Keys>,
    /// Hashes what tells callers apart.
    pub(super) random: RandomState,
    #[cfg(feature = "shared")]
    pub(super) fleet: Option<super::questions::Fleet>,
}

// === impl ThrottleLayer ===

impl ThrottleLayer {
    /// The default of [`max_wait`](Self::max_wait): 90 seconds, enough for a limit per minute and the requests ahead in the queue.
    pub const DEFAULT_MAX_WAIT: Duration = ThrottleConfig::DEFAULT_MAX_WAIT;

    /// The default of [`max_block`](Self::max_block): one hour.
    pub const DEFAULT_MAX_BLOCK: Duration = Quota::DEFAULT_MAX_BLOCK;

    /// The default of [`max_keys`](Self::max_keys): 1,000. A key takes about a kilobyte; one whose server shows counters up to a hundred
    /// kilobytes for each counter, of which up to four are used.
    pub const DEFAULT_MAX_KEYS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);

    /// A layer with the defaults, which knows of no limit yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The longest time that a request is queued, from the first poll of the call's future to the attempt. A request that would
    /// wait longer fails with [`Throttled`](crate::ErrorKind::Throttled), at once where that is known.
    ///
    /// Any duration is valid. A [`Deadline`](crate::extensions::Deadline) that ends sooner takes precedence. Default:
    /// [`DEFAULT_MAX_WAIT`](Self::DEFAULT_MAX_WAIT).
    pub fn max_wait(self, max_wait: Duration) -> Self {
        self.with(|shared| {
            let base = shared.endpoints.base_mut();
            *base = base.clone().max_wait(max_wait);
        })
    }

    /// The longest time for which the server can block a key with one response: after it, one request probes. It applies to keys
    /// that are first used from now on.
    ///
    /// Any duration is valid. Default: [`DEFAULT_MAX_BLOCK`](Self::DEFAULT_MAX_BLOCK).
    pub fn max_block(self, max_block: Duration) -> Self {
        self.with(|shared| shared.max_block = max_block)
    }

    /// The most keys that are kept. When full, the least recently used key without requests is evicted for a new one; if every key
    /// has requests queued or in flight, requests of the new key are not throttled. Default:
    /// [`DEFAULT_MAX_KEYS`](Self::DEFAULT_MAX_KEYS).
    pub fn max_keys(self, max_keys: NonZeroUsize) -> Self {
        self.with(|shared| shared.max_keys = max_keys)
    }

    /// A limit that is known: at most `limit` requests of each key are sent in any `period`, as for an endpoint by
    /// [`ThrottleConfig::limit`]. It applies to keys that are first used from now on. Default: none.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_heed::ThrottleLayer;
    ///
    /// ThrottleLayer::new().limit(10, Duration::from_secs(1)).headroom(0.8);
    /// ```
    pub fn limit(self, limit: u32, period: Duration) -> Self {
        self.with(|shared| {
            let base = shared.endpoints.base_mut();
            *base = base.clone().limit_in_common(limit, period);
        })
    }

    /// The share of each announced limit to use, as for an endpoint by [`ThrottleConfig::headroom`]. It applies to keys that are first
    /// used from now on. Default: 1.
    pub fn headroom(self, share: f64) -> Self {
        self.with(|shared| {
            let base = shared.endpoints.base_mut();
            *base = base.clone().headroom_in_common(share);
        })
    }

    /// The least wait after a rate-limited response, as for an endpoint by [`ThrottleConfig::min_wait`]. Default: none.
    pub fn min_wait(self, min_wait: Duration) -> Self {
        self.with(|shared| {
            let base = shared.endpoints.base_mut();
            *base = base.clone().min_wait(min_wait);
        })
    }

    /// Names the quota that a request counts against, in place of its origin: a tenant, the name of a credential. Where the function
    /// returns `None`, the request counts against its origin's. Default: the origin.
    ///
    /// The key appears in errors, events and [snapshots](super::ThrottleSnapshot), so it must not be a secret.
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
        self.with(|shared| shared.key = Some(Arc::new(key)))
    }

    /// Decides which responses are rate limited, where no layer inside has classified them. Default:
    /// [`Preset::Standard`].
    pub fn classifier(self, classifier: impl Classifier) -> Self {
        self.with(|shared| shared.classifier = Arc::new(classifier))
    }

    /// The source of the time. Default: the machine's clocks.
    pub fn clock(self, clock: Clock) -> Self {
        self.with(|shared| shared.clock = clock)
    }

    /// Names the stack that this layer belongs to: the field `stack` of its events, and the label `stack` of its metrics. By default there is none.
    /// [`Stack::name`](crate::Stack::name) names all layers of a stack.
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        self.with(|shared| shared.endpoints.set_stack(name.into()))
    }

    /// Shares the quotas with all processes that have the same store and namespace secret, in place of learning each alone: together
    /// they keep to the limit. A process holds the permits for about a second, and asks for more in the background, about
    /// once a second and key.
    ///
    /// A quota is named by its [key](Self::key), which has to be the same in all processes. Without the store a process sends at its
    /// last known share of the limit, and after a minute by what it learns itself. It applies to keys that are first used from now on.
    /// Default: none.
    ///
    /// Of `keys` only the namespace secret is used, for the name of the record. The record is not sealed: whoever can write to the
    /// store can stop the fleet or lift its limit.
    ///
    /// ```
    /// use tower_heed::{ThrottleLayer, store::{InMemory, SealingKeys}};
    ///
    /// # let namespace = [1; 32];
    /// ThrottleLayer::new().fleet(InMemory::new(), SealingKeys::in_clear_text(&namespace));
    /// ```
    #[cfg(feature = "shared")]
    #[cfg_attr(docsrs, doc(cfg(feature = "shared")))]
    pub fn fleet<S>(self, store: S, keys: crate::store::SealingKeys) -> Self
    where
        S: tower_service::Service<
                crate::store::QuotaRequest,
                Response = crate::store::QuotaReply,
                Error: Into<crate::BoxError>,
                Future: Send,
            > + Clone
            + Send
            + Sync
            + 'static,
    {
        let fleet = super::questions::Fleet::new(store, keys);
        self.with(|shared| shared.fleet = Some(fleet))
    }

    /// Gives the requests that match `pattern` their own settings.
    ///
    /// The closure starts from the settings that apply to them [so far](EndpointPattern#settings-so-far); later settings of the layer
    /// do not change this endpoint. A quota that a wider pattern has for itself stays the wider pattern's.
    ///
    /// ```
    /// use tower_heed::{ThrottleLayer, extensions::Priority};
    ///
    /// ThrottleLayer::new()
    ///     .endpoint("POST /login".parse()?, |config| config.own_quota().priority(Priority::High))
    ///     .endpoint("GET /search/{*rest}".parse()?, |config| config.shared("search"))
    ///     .endpoint("GET /events".parse()?, |config| config.exempt());
    /// # Ok::<(), tower_heed::error::InvalidConfig>(())
    /// ```
    pub fn endpoint(
        self,
        pattern: EndpointPattern,
        configure: impl FnOnce(ThrottleConfig) -> ThrottleConfig,
    ) -> Self {
        self.set_endpoint(pattern, Some(configure))
    }

    /// The endpoint of a stack: without a change, only its name is new.
    pub(crate) fn set_endpoint(
        self,
        pattern: EndpointPattern,
        change: Option<impl FnOnce(ThrottleConfig) -> ThrottleConfig>,
    ) -> Self {
        let at = pattern.clone();
        let change = change.map(|change| move |config| change(config).at(&at));
        self.with(|shared| shared.endpoints.configure(pattern, change))
    }

    /// Shows what is known of each key.
    #[must_use]
    pub fn handle(&self) -> ThrottleHandle {
        ThrottleHandle::new(Arc::clone(&self.shared.keys), self.shared.clock.clone())
    }

    fn with(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        change(Arc::make_mut(&mut self.shared));
        self
    }
}

impl<S> Layer<S> for ThrottleLayer {
    type Service = Throttle<S>;

    fn layer(&self, inner: S) -> Self::Service {
        metrics::layered();
        Throttle::new(inner, Arc::clone(&self.shared))
    }
}

// === impl Shared ===

impl Shared {
    /// The slot of a new key.
    pub(super) fn new_slot(&self, name: KeyName, quota: Quota) -> Slot {
        #[cfg_attr(not(feature = "shared"), allow(unused_mut, reason = "it is alone"))]
        let mut slot = Slot::new(name, quota);
        #[cfg(feature = "shared")]
        if self.fleet.is_some() {
            slot.member = Some(super::questions::Fleet::member());
        }
        slot
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            endpoints: Endpoints::new(ThrottleConfig::default()),
            key: None,
            classifier: Arc::new(Preset::Standard),
            clock: Clock::default(),
            max_block: Quota::DEFAULT_MAX_BLOCK,
            max_keys: ThrottleLayer::DEFAULT_MAX_KEYS,
            keys: Arc::default(),
            random: RandomState::new(),
            #[cfg(feature = "shared")]
            fleet: None,
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("endpoints", &self.endpoints)
            .field("clock", &self.clock)
            .field("max_block", &self.max_block)
            .field("max_keys", &self.max_keys)
            .finish_non_exhaustive()
    }
}
