use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use tower::{ServiceExt, util::BoxCloneService};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    Config, RejectionLimit, Token, TokenCache, TokenCacheHandle, TokenKey, TokenRequest,
    cache::Cache,
    cached::{LEAST_LIFE, moment},
    config::{Replay, Route, Settings},
    origin::Origins,
    slots::{Slots, Source},
};
use crate::{BoxError, clock::Clock, endpoint::Endpoints, error::InvalidConfig, metrics as meter};

/// Obtains, keeps, refreshes and attaches the bearer token of the requests that pass.
///
/// The [module page](super) has the states of a token and what happens in each. Clones of a layer share one cache, and so
/// do the services that they make.
#[derive(Clone, Debug)]
pub struct TokenCacheLayer {
    settings: Settings,
    slots: Arc<Slots>,
}

// === impl TokenCacheLayer ===

impl TokenCacheLayer {
    /// Ten seconds: token endpoints answer in well under one, and hash a secret on the way.
    pub const DEFAULT_FETCH_TIMEOUT: Duration = Duration::from_secs(10);

    /// Fifteen seconds: a fetch that runs into its own limit, and a second one half way.
    pub const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(15);

    /// One second: most fetches take less, and the token at hand is still good.
    pub const DEFAULT_GRACE_WAIT: Duration = Duration::from_secs(1);

    /// Five minutes: the shortest life that providers let their customers choose.
    pub const DEFAULT_LIFE: Duration = Duration::from_secs(5 * 60);

    /// Thirty days: the longest that Auth0 grants.
    pub const DEFAULT_MAX_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    /// Sixty-four: the tenants or organizations that one process serves at a time, at a few kilobytes each.
    pub const DEFAULT_MAX_KEYS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);

    /// Takes tokens from `source`, a service that is asked for one at a time:
    /// `ClientCredentials`, [`StaticToken`](super::StaticToken), or your own, for example a
    /// closure by [`tower::service_fn`].
    ///
    /// **Name the servers that may see the token** with [`allow_origin`](Self::allow_origin). Until one is named, every
    /// request that would carry a token fails with [`OriginRefused`](super::OriginRefused) and is not sent.
    #[must_use]
    pub fn new<S>(source: S) -> Self
    where
        S: Service<TokenRequest, Response = Token> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        let settings = Settings {
            origins: Origins::default(),
            endpoints: Endpoints::new(Route { attach: true, slot: None }),
            key: TokenKey::new(),
            max_keys: Self::DEFAULT_MAX_KEYS,
            clock: Clock::default(),
            fetch_timeout: Self::DEFAULT_FETCH_TIMEOUT,
            max_wait: Self::DEFAULT_MAX_WAIT,
            grace_wait: Self::DEFAULT_GRACE_WAIT,
            default_life: Self::DEFAULT_LIFE,
            max_life: Self::DEFAULT_MAX_LIFE,
            refresh_buffer: None,
            rejection_limit: RejectionLimit::new(),
            replay: Replay::Here,
        };
        let source: Source = BoxCloneService::new(source.map_err(Into::into));
        Self { settings, slots: Arc::new(Slots::new(source)) }
    }

    /// Lets the token be sent to `origin`, for example `https://tenant.eu.auth0.com`: exactly this scheme, host and port.
    /// May be named several times.
    ///
    /// # Errors
    ///
    /// It is no `https://host[:port]`, nor an `http` one on a loopback address.
    pub fn allow_origin(mut self, origin: &str) -> Result<Self, InvalidConfig> {
        self.settings.origins.allow(origin)?;
        Ok(self)
    }

    /// Lets the token be sent to `origin` in clear text, for example `http://api.internal:8080` within a mesh that
    /// encrypts by itself. Whoever is on the way can read the token and use it.
    ///
    /// # Errors
    ///
    /// It is no `http://host[:port]` or `https://host[:port]`.
    pub fn allow_clear_text_origin(mut self, origin: &str) -> Result<Self, InvalidConfig> {
        self.settings.origins.allow_clear_text(origin)?;
        Ok(self)
    }

    /// Lets the token be sent to every `https` origin, and to `http` ones on loopback addresses.
    ///
    /// For clients that only ever build addresses themselves. If one can come from outside, in a `next` link, a webhook or a
    /// redirect that a layer outside follows, its server gets the token.
    #[must_use]
    pub fn allow_any_https_origin(mut self) -> Self {
        self.settings.origins.allow_any_https();
        self
    }

    /// Gives the requests that match `pattern` a configuration of their own; see [`EndpointPattern`](crate::EndpointPattern) for the syntax.
    ///
    /// ```
    /// use tower_heed::token_cache::{StaticToken, TokenCacheLayer};
    ///
    /// TokenCacheLayer::new(StaticToken::new("sk_live_0123456789")?)
    ///     .allow_origin("https://api.clerk.com")?
    ///     .endpoint("GET /v1/jwks", |config| config.without_token())?;
    /// # Ok::<(), tower_heed::error::InvalidConfig>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A pattern that is malformed or there already.
    pub fn endpoint<F>(mut self, pattern: &str, configure: F) -> Result<Self, InvalidConfig>
    where
        F: FnOnce(Config) -> Config,
    {
        let Config { attach, key } = configure(Config::default());
        let slot = key.filter(|_| attach).map(|key| {
            let now = || moment(&self.settings.clock);
            self.slots.of(&key, self.settings.max_keys, now)
        });
        self.settings.endpoints.insert(pattern.parse()?, Route { attach, slot });
        Ok(self)
    }

    /// Requests carry the token of `key`, if neither their endpoint ([`Config::key`]) nor they themselves
    /// ([`TokenScope`](super::TokenScope)) name another. By default the key has no parts, and the source gives its own token.
    ///
    /// Clones of a layer with different keys share one cache all the same, in which each key has a token of its own.
    #[must_use]
    pub fn key(mut self, key: TokenKey) -> Self {
        self.settings.key = key;
        self
    }

    /// Of how many keys that only requests name ([`TokenScope`](super::TokenScope)) the tokens are kept.
    ///
    /// For one more, the one that was not used for the longest time is forgotten, held-off ones last. A key that a service or
    /// an endpoint names, and one whose token is being fetched, is neither forgotten nor counted.
    #[must_use]
    pub fn max_keys(mut self, most: NonZeroUsize) -> Self {
        self.settings.max_keys = most;
        self
    }

    /// To get tokens without a request, fetch them before the first one, forget them, and look at their state.
    ///
    /// It shares the cache with the layer and its services, and has the settings that the layer has now: set those first.
    #[must_use]
    pub fn handle(&self) -> TokenCacheHandle {
        TokenCacheHandle::new(self.cache())
    }

    /// How long one fetch may take, from the moment the source is asked to its token.
    ///
    /// # Errors
    ///
    /// Zero.
    pub fn fetch_timeout(mut self, limit: Duration) -> Result<Self, InvalidConfig> {
        self.settings.fetch_timeout = not_zero("fetch timeout", limit)?;
        Ok(self)
    }

    /// How long one request waits for tokens at most: for the first, for the one after a 401, and for another where its service
    /// was not ready for so long that the first has ended. Its [`Deadline`](crate::extensions::Deadline) ends the wait sooner.
    /// The fetch goes on without it.
    ///
    /// # Errors
    ///
    /// Zero.
    pub fn max_wait(mut self, limit: Duration) -> Result<Self, InvalidConfig> {
        self.settings.max_wait = not_zero("max wait", limit)?;
        Ok(self)
    }

    /// How long a request waits for the next token while the present one is about to end, before it takes that after
    /// all. Zero does not wait. At most half of the time to its deadline is spent.
    #[must_use]
    pub fn grace_wait(mut self, limit: Duration) -> Self {
        self.settings.grace_wait = limit;
        self
    }

    /// The life of a token whose issuer does not say one, from the moment it was asked for.
    ///
    /// # Errors
    ///
    /// Less than a second.
    pub fn default_life(mut self, life: Duration) -> Result<Self, InvalidConfig> {
        self.settings.default_life = no_shorter("default life", life)?;
        Ok(self)
    }

    /// The longest life that is believed; a longer one is cut to it. `ClientCredentials` cuts
    /// to 30 days by itself.
    ///
    /// # Errors
    ///
    /// Less than a second.
    pub fn max_life(mut self, life: Duration) -> Result<Self, InvalidConfig> {
        self.settings.max_life = no_shorter("max life", life)?;
        Ok(self)
    }

    /// Refreshes each token at the latest this long before its end, instead of at a share of its life. A buffer longer
    /// than two fifths of a token's life is cut to that.
    ///
    /// # Errors
    ///
    /// Zero.
    pub fn refresh_buffer(mut self, buffer: Duration) -> Result<Self, InvalidConfig> {
        self.settings.refresh_buffer = Some(not_zero("refresh buffer", buffer)?);
        Ok(self)
    }

    /// How often 401s may cause a new token to be fetched.
    #[must_use]
    pub fn rejection_limit(mut self, limit: RejectionLimit) -> Self {
        self.settings.rejection_limit = limit;
        self
    }

    /// Leaves it to [`RetryOnRateLimit`](crate::RetryOnRateLimit) outside to send a request again whose token was
    /// rejected.
    ///
    /// This layer then keeps no copy of the request, which saves three allocations for each call: it still gets the next
    /// token, and marks the 401 with [`TokenReplaced`](crate::extensions::TokenReplaced). **Without a layer outside that heeds
    /// the mark, the caller gets the 401.**
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
        meter::layered();
        TokenCache::new(inner, self.cache())
    }
}

fn no_shorter(what: &'static str, life: Duration) -> Result<Duration, InvalidConfig> {
    match life < LEAST_LIFE {
        true => Err(InvalidConfig::new(what, "it is less than a second")),
        false => Ok(life),
    }
}

fn not_zero(what: &'static str, value: Duration) -> Result<Duration, InvalidConfig> {
    if value.is_zero() { Err(InvalidConfig::new(what, "it is zero")) } else { Ok(value) }
}
