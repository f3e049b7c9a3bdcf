use std::{borrow::Cow, sync::Arc, time::Duration};

use http::{HeaderName, Method, request::Parts};
use tower_layer::Layer;

use super::{
    ResponseCache, ResponseCacheConfig, ResponseCacheHandle, events,
    shared::{CachedEndpoint, Shared},
    store::Store,
};
use crate::{
    EndpointPattern,
    classify::{Classifier, Preset},
    clock::Clock,
    endpoint::Endpoints,
    error::InvalidConfig,
    metrics as meter,
};

/// Caches the responses of chosen `GET` endpoints.
///
/// The [module page](super) is its manual, with the defaults.
#[derive(Clone, Debug)]
#[must_use]
pub struct ResponseCacheLayer {
    configs: Endpoints<ResponseCacheConfig>,
    shared: Arc<Shared>,
}

// === impl ResponseCacheLayer ===

impl ResponseCacheLayer {
    /// 64 MiB: the profiles of 20,000 to 40,000 users.
    pub const DEFAULT_MAX_BYTES: u64 = 64 << 20;

    /// 256 KiB: many times the longest profile, and little enough that a list of all users does not evict everything else.
    pub const DEFAULT_MAX_BODY_BYTES: usize = 256 << 10;

    /// Ten minutes: long enough for a rate limit of a minute, or for the last minutes of an hourly one, and short enough that a
    /// blocked user does not keep access for long.
    pub const DEFAULT_STALE_FOR: Duration = Duration::from_secs(600);

    /// One second: longer than a healthy server needs, and not long enough for a person to notice.
    pub const DEFAULT_STALE_WAIT: Duration = Duration::from_secs(1);

    /// Thirty seconds, as [`Stack::CALL_TIMEOUT`](crate::Stack::CALL_TIMEOUT).
    pub const DEFAULT_FETCH_TIMEOUT: Duration = Duration::from_secs(30);

    /// An empty cache of [`DEFAULT_MAX_BYTES`](Self::DEFAULT_MAX_BYTES) for the requests of one client. Until an
    /// [`endpoint`](Self::endpoint) is added, all requests pass through.
    pub fn new() -> Self {
        Self::of(Self::DEFAULT_MAX_BYTES)
    }

    /// An empty cache of this size, in bytes of bodies, header fields and what the cache itself needs. When it is full, the
    /// least used responses are evicted.
    ///
    /// # Errors
    ///
    /// Zero, which would store nothing.
    pub fn with_max_bytes(max_bytes: u64) -> Result<Self, InvalidConfig> {
        match max_bytes {
            0 => Err(InvalidConfig::new("cache size", "zero would store nothing")),
            max_bytes => Ok(Self::of(max_bytes)),
        }
    }

    /// How long after its time to live a response may be served while the server is down. Zero: never.
    pub fn stale_for(self, stale_for: Duration) -> Self {
        self.base(|base| base.stale_for(stale_for))
    }

    /// How long a call with a stale response waits for a fresh one: see [`ResponseCacheConfig::stale_wait`].
    pub fn stale_wait(self, stale_wait: Duration) -> Self {
        self.base(|base| base.stale_wait(stale_wait))
    }

    /// The longest body that is stored. A longer one is passed through.
    pub fn max_body_bytes(self, max_body_bytes: usize) -> Self {
        self.base(|base| base.max_body_bytes(max_body_bytes))
    }

    /// Requests that differ in this header field get different responses, although it is one of the few that do not count: see
    /// [`ResponseCacheConfig::header`].
    pub fn header(self, name: HeaderName) -> Self {
        self.base(|base| base.header(name))
    }

    /// Tells whose a request's response is, in place of its `Authorization`, `Proxy-Authorization`, `Cookie` and `DPoP`. With the
    /// user's id, a user whose access token has changed still finds the stored responses. Where it returns `None`, these fields
    /// count. All other fields count in any case.
    ///
    /// **Requests with the same value share responses.** The function gets the request's head as this layer sees it, with its
    /// extensions. A 401 or 403 for one token is not passed to a caller with another token, but it removes the stored response
    /// for all tokens with that value: after the server has rejected a user, nothing may be served to that user, at the cost of
    /// one request.
    ///
    /// ```
    /// use tower_heed::ResponseCacheLayer;
    ///
    /// #[derive(Clone)]
    /// struct UserId(String);
    ///
    /// ResponseCacheLayer::new()
    ///     .credential(|head| head.extensions.get().map(|UserId(id)| id.as_bytes().into()));
    /// ```
    pub fn credential<F>(self, credential: F) -> Self
    where
        F: for<'a> Fn(&'a Parts) -> Option<Cow<'a, [u8]>> + Send + Sync + 'static,
    {
        self.shared(|shared| shared.credential = Some(Arc::new(credential)))
    }

    /// Classifies responses that no other layer has classified.
    pub fn classifier(self, classifier: impl Classifier) -> Self {
        self.shared(|shared| shared.classifier = Arc::new(classifier))
    }

    /// How long a fetch may take, from its start to the end of the body, whatever the deadlines of its waiters. The rest of a
    /// body that is too long to be stored is limited by the deadline of its reader alone. Zero is raised to a millisecond.
    pub fn fetch_timeout(self, fetch_timeout: Duration) -> Self {
        let fetch_timeout = fetch_timeout.max(Duration::from_millis(1));
        self.shared(|shared| shared.fetch_timeout = fetch_timeout)
    }

    /// The source of time.
    pub fn clock(self, clock: Clock) -> Self {
        self.shared(|shared| shared.clock = clock)
    }

    /// Names the stack that this layer belongs to: the field `stack` of its events, and the label `stack` of its metrics. By default there is none.
    /// [`Stack::name`](crate::Stack::name) names all layers of a stack.
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        self.shared(|shared| {
            let named = |endpoint: &Arc<CachedEndpoint>| Arc::new(endpoint.in_stack(&name));
            shared.endpoints = shared.endpoints.map(|endpoint| endpoint.as_ref().map(named));
            shared.endpoints.set_stack(name);
        })
    }

    /// Caches the responses to the `GET`s that match `pattern`. A pattern of another method has no effect, and logs a warning.
    ///
    /// The closure starts from the settings that apply to them [so far](EndpointPattern#settings-so-far); later setters of the layer
    /// do not change the endpoint. Without a [time to live](ResponseCacheConfig::ttl) the requests pass through.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_heed::ResponseCacheLayer;
    ///
    /// ResponseCacheLayer::new()
    ///     .stale_for(Duration::from_secs(3600))
    ///     .endpoint("GET /api/v2/users/{id}".parse()?, |config| {
    ///         config.ttl(Duration::from_secs(300)).override_no_store()
    ///     })
    ///     .endpoint("GET /.well-known/{*document}".parse()?, |config| {
    ///         config.ttl(Duration::from_secs(3600))
    ///     });
    /// # Ok::<(), tower_heed::error::InvalidConfig>(())
    /// ```
    pub fn endpoint(
        self,
        pattern: EndpointPattern,
        configure: impl FnOnce(ResponseCacheConfig) -> ResponseCacheConfig,
    ) -> Self {
        self.set_endpoint(pattern, Some(configure))
    }

    /// The endpoint of a stack: without a change there is nothing new to cache.
    pub(crate) fn set_endpoint(
        mut self,
        pattern: EndpointPattern,
        change: Option<impl FnOnce(ResponseCacheConfig) -> ResponseCacheConfig>,
    ) -> Self {
        if change.is_none() {
            return self;
        }
        let had_ttl = self.configs.so_far(&pattern).has_ttl();
        self.configs.configure(pattern.clone(), change);
        let stack = self.shared.endpoints.stack();
        let config = self.configs.so_far(&pattern).clone();
        let endpoint = CachedEndpoint::new(&pattern, config, stack);
        if pattern.method().is_some_and(|method| *method != Method::GET) {
            events::not_get(stack.map(|name| &**name), &pattern);
        } else if endpoint.is_none() && !had_ttl {
            // A wide pattern may set defaults for narrower ones alone.
            events::no_ttl(stack.map(|name| &**name), &pattern);
        }
        self.shared(|shared| shared.endpoints.insert(pattern, endpoint.map(Arc::new)))
    }

    /// Invalidates stored responses, and shows how many there are.
    #[must_use]
    pub fn handle(&self) -> ResponseCacheHandle {
        ResponseCacheHandle::new(
            Arc::clone(&self.shared.store),
            self.shared.endpoints.stack().cloned(),
        )
    }

    fn of(max_bytes: u64) -> Self {
        let shared = Shared {
            endpoints: Endpoints::new(None),
            credential: None,
            classifier: Arc::new(Preset::Standard),
            clock: Clock::default(),
            fetch_timeout: Self::DEFAULT_FETCH_TIMEOUT,
            store: Arc::new(Store::new(max_bytes)),
            in_flight: Arc::default(),
        };
        Self { configs: Endpoints::new(ResponseCacheConfig::default()), shared: Arc::new(shared) }
    }

    fn base(mut self, change: impl FnOnce(ResponseCacheConfig) -> ResponseCacheConfig) -> Self {
        let base = self.configs.base_mut();
        *base = change(base.clone());
        self
    }

    fn shared(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        change(Arc::make_mut(&mut self.shared));
        self
    }
}

impl Default for ResponseCacheLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for ResponseCacheLayer {
    type Service = ResponseCache<S>;

    fn layer(&self, inner: S) -> Self::Service {
        meter::layered();
        ResponseCache::new(inner, Arc::clone(&self.shared))
    }
}
