use std::{any::Any, num::NonZeroUsize, sync::Arc, time::Duration};

use tower::{ServiceExt, util::BoxCloneService};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    AllowedOrigin, StaticToken, Token, TokenCache, TokenCacheHandle, TokenConfig, TokenKey,
    TokenRequest,
    allowed_origin::AllowedOrigins,
    cache::Cache,
    cached::MIN_LIFETIME,
    config::{Replay, Settings},
    slots::{Slots, Source},
};
use crate::{BoxError, EndpointPattern, clock::Clock, endpoint::Endpoints, metrics};

/// The shortest time limit and refresh buffer. A zero would be a mistake that no token survives.
const MIN_SPAN: Duration = Duration::from_millis(1);

/// Fetches, keeps, refreshes and attaches the bearer token of the requests that pass.
///
/// The [module page](super) describes the states of a token. Clones of a layer share one cache, and so do the services that
/// they make.
#[derive(Clone, Debug)]
pub struct TokenCacheLayer {
    settings: Settings,
    slots: Arc<Slots>,
}

// === impl TokenCacheLayer ===

impl TokenCacheLayer {
    /// Ten seconds: token endpoints respond in well under one, and hash a secret meanwhile.
    pub const DEFAULT_FETCH_TIMEOUT: Duration = Duration::from_secs(10);

    /// Fifteen seconds: a fetch that runs into its own limit, and half of a second one.
    pub const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(15);

    /// One second: most fetches take less, and the present token is still good.
    pub const DEFAULT_GRACE_WAIT: Duration = Duration::from_secs(1);

    /// Five minutes: the shortest lifetime that providers let their customers choose.
    pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(5 * 60);

    /// Thirty days: the longest that Auth0 grants.
    pub const DEFAULT_MAX_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    /// Ten thousand: the tenants that one process serves at a time, at about two kilobytes each.
    pub const DEFAULT_MAX_KEYS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);

    /// Takes tokens from `source`, a service that is called for one token at a time: `ClientCredentials`,
    /// [`StaticToken`](super::StaticToken), or your own, for example a closure by [`tower::service_fn`].
    ///
    /// **Name the servers that may see the token** with [`allow_origin`](Self::allow_origin). Until one is named, every
    /// request that would carry a token fails with [`OriginNotAllowed`](crate::ErrorKind::OriginNotAllowed) and is not sent.
    #[must_use]
    pub fn new<S>(source: S) -> Self
    where
        S: Service<TokenRequest, Response = Token> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        let settings = Settings {
            origins: AllowedOrigins::default(),
            endpoints: Endpoints::new(TokenConfig::new(TokenKey::new())),
            max_keys: Self::DEFAULT_MAX_KEYS,
            clock: Clock::default(),
            fetch_timeout: Self::DEFAULT_FETCH_TIMEOUT,
            max_wait: Self::DEFAULT_MAX_WAIT,
            grace_wait: Self::DEFAULT_GRACE_WAIT,
            default_lifetime: Self::DEFAULT_LIFETIME,
            max_lifetime: Self::DEFAULT_MAX_LIFETIME,
            refresh_buffer: None,
            replay: Replay::Here,
            elsewhere: false,
        };
        let fixed = (&source as &dyn Any).downcast_ref::<StaticToken>();
        let field = fixed.map(|source| source.header_name().clone());
        let source: Source = BoxCloneService::new(source.map_err(Into::into));
        Self { settings, slots: Arc::new(Slots::new(source, field)) }
    }

    /// Lets the token be sent to `origin`: exactly this scheme, host and port. Can be called several times.
    ///
    /// ```
    /// # use tower_heed::token_cache::{StaticToken, TokenCacheLayer};
    /// # let key = StaticToken::new("sk_live_0123456789")?;
    /// TokenCacheLayer::new(key).allow_origin("https://api.example.com".parse()?);
    /// # Ok::<(), tower_heed::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn allow_origin(mut self, origin: AllowedOrigin) -> Self {
        self.settings.origins.allow(origin);
        self
    }

    /// Lets the token be sent to every `https` origin, and to `http` origins on loopback addresses.
    ///
    /// For clients that build all addresses themselves. If one can come from outside, in a `next` link, a webhook or a
    /// redirect that a layer outside follows, its server gets the token.
    #[must_use]
    pub fn allow_any_https_origin(mut self) -> Self {
        self.settings.origins.allow_any_https();
        self
    }

    /// Sends a request to an origin that is not allowed without the token, in place of failing: for an API that redirects to
    /// presigned storage, with a layer outside that follows.
    #[must_use]
    pub fn elsewhere_without_token(mut self) -> Self {
        self.settings.elsewhere = true;
        self
    }

    /// Gives the requests that match `pattern` their own settings. The closure starts from the settings that apply
    /// to them [so far](EndpointPattern#settings-so-far): a [`key`](Self::key) that is set later does not change them.
    ///
    /// ```
    /// use tower_heed::token_cache::{StaticToken, TokenCacheLayer};
    ///
    /// TokenCacheLayer::new(StaticToken::new("sk_live_0123456789")?)
    ///     .allow_origin("https://api.clerk.com".parse()?)
    ///     .endpoint("GET /v1/jwks".parse()?, |config| config.without_token());
    /// # Ok::<(), tower_heed::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn endpoint(
        self,
        pattern: EndpointPattern,
        configure: impl FnOnce(TokenConfig) -> TokenConfig,
    ) -> Self {
        self.set_endpoint(pattern, Some(configure))
    }

    /// The endpoint of a stack: without a change, only its name is new.
    pub(crate) fn set_endpoint(
        mut self,
        pattern: EndpointPattern,
        change: Option<impl FnOnce(TokenConfig) -> TokenConfig>,
    ) -> Self {
        self.settings.endpoints.configure(pattern, change);
        self
    }

    /// Requests carry the token of `key`, unless their endpoint ([`TokenConfig::key`]) or they themselves
    /// ([`TokenScope`](super::TokenScope)) name another. By default the key has no parts, and the source gives its own token.
    ///
    /// Clones of a layer with different keys still share one cache, in which each key has its own token.
    #[must_use]
    pub fn key(mut self, key: TokenKey) -> Self {
        self.settings.endpoints.base_mut().key = key;
        self
    }

    /// The number of tokens that are kept for keys that only requests name ([`TokenScope`](super::TokenScope)).
    ///
    /// When full, a new key evicts one without a token or one that was not used for long; if there is none, one by chance, so that
    /// one key too many costs about one more fetch each time that all keys are used. The cooldown and the number of rejections of an
    /// evicted key are remembered. A key that a service or one of its endpoints names is neither evicted nor counted, and a key
    /// whose token is being fetched is not evicted.
    #[must_use]
    pub fn max_keys(mut self, max_keys: NonZeroUsize) -> Self {
        self.settings.max_keys = max_keys;
        self
    }

    /// A handle to get tokens without a request, fetch them before the first one, invalidate them, and see their state.
    ///
    /// It shares the cache with the layer and its services, and has the settings that the layer has now: set those first.
    #[must_use]
    pub fn handle(&self) -> TokenCacheHandle {
        TokenCacheHandle::new(self.cache())
    }

    /// How long one fetch may take, from the call of the source to its token; at least a millisecond.
    #[must_use]
    pub fn fetch_timeout(mut self, limit: Duration) -> Self {
        self.settings.fetch_timeout = limit.max(MIN_SPAN);
        self
    }

    /// How long one request waits for tokens at most: for the first, for the one after a 401, and for another where its service
    /// took so long to become ready that the first has expired. Zero does not wait. Its
    /// [`Deadline`](crate::extensions::Deadline) ends the wait sooner; the fetch goes on without it.
    #[must_use]
    pub fn max_wait(mut self, limit: Duration) -> Self {
        self.settings.max_wait = limit;
        self
    }

    /// How long a request waits for the next token while the present one is about to expire, before it takes that after
    /// all. Zero does not wait. At most half of the time to its deadline is spent.
    #[must_use]
    pub fn grace_wait(mut self, limit: Duration) -> Self {
        self.settings.grace_wait = limit;
        self
    }

    /// The lifetime of a token whose issuer does not name one, counted from its request; at least a second.
    #[must_use]
    pub fn default_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.default_lifetime = lifetime.max(MIN_LIFETIME);
        self
    }

    /// The longest lifetime that is believed, at least a second; a longer one is cut to it. `ClientCredentials` cuts to 30
    /// days by itself.
    #[must_use]
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.max_lifetime = lifetime.max(MIN_LIFETIME);
        self
    }

    /// Refreshes each token at least this long before it expires, instead of at a share of its lifetime. The buffer is at
    /// least a millisecond, and at most two fifths of the token's lifetime.
    #[must_use]
    pub fn refresh_buffer(mut self, buffer: Duration) -> Self {
        self.settings.refresh_buffer = Some(buffer.max(MIN_SPAN));
        self
    }

    /// Names the stack that this layer belongs to: the field `stack` of its events, and the label `stack` of its metrics. By default there is none.
    /// [`Stack::name`](crate::Stack::name) names all layers of a stack.
    #[must_use]
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.settings.endpoints.set_stack(name.into());
        self
    }

    /// Leaves it to [`RetryOnRateLimit`](crate::RetryOnRateLimit) outside to send a request again whose token was
    /// rejected.
    ///
    /// This layer then keeps no copy of the request, which saves three allocations per call: it still fetches the next
    /// token, and marks the 401. **Without a retry layer outside that heeds the mark, the caller gets the 401.**
    #[must_use]
    pub fn leave_replay_to_retry(mut self) -> Self {
        self.settings.replay = Replay::Outside;
        self
    }

    /// Takes the time from `clock`.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.settings.clock = clock;
        self
    }

    pub(super) fn cache(&self) -> Cache {
        Cache::new(self.settings.clone(), Arc::clone(&self.slots))
    }
}

impl<S> Layer<S> for TokenCacheLayer {
    type Service = TokenCache<S>;

    fn layer(&self, inner: S) -> Self::Service {
        metrics::layered();
        TokenCache::new(inner, self.cache())
    }
}
