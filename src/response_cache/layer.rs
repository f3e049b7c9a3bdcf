use std::{borrow::Cow, sync::Arc, time::Duration};

use http::{HeaderName, request::Parts};
use tower_layer::Layer;

use super::{Config, ResponseCache, ResponseCacheHandle, shared::Rules, store::Store};
use crate::{
    classify::{Classifier, Preset},
    clock::Clock,
    endpoint::Endpoints,
    error::InvalidConfig,
    metrics as meter,
};

/// Keeps the responses of chosen `GET`s, for each credential by itself.
///
/// The [module page](super) is its manual, with the defaults.
#[derive(Clone, Debug)]
#[must_use]
pub struct ResponseCacheLayer {
    base: Config,
    rules: Arc<Rules>,
}

// === impl ResponseCacheLayer ===

impl ResponseCacheLayer {
    /// 64 MiB: the profiles of twenty to forty thousand users.
    pub const DEFAULT_MAX_BYTES: u64 = 64 << 20;

    /// 256 KiB: many times the longest profile, and little enough that a list of all users does not push everything out.
    pub const DEFAULT_MAX_BODY_BYTES: usize = 256 << 10;

    /// Ten minutes: the limit of a minute, or of an hour's last minutes, is outlived, and someone who was blocked does not
    /// stay let in for long.
    pub const DEFAULT_STALE_FOR: Duration = Duration::from_secs(600);

    /// One second: longer than a server needs that is well, and not as long as a person notices.
    pub const DEFAULT_STALE_WAIT: Duration = Duration::from_secs(1);

    /// Thirty seconds, as [`Stack::CALL_TIMEOUT`](crate::Stack::CALL_TIMEOUT).
    pub const DEFAULT_FETCH_TIMEOUT: Duration = Duration::from_secs(30);

    /// An empty cache of [`DEFAULT_MAX_BYTES`](Self::DEFAULT_MAX_BYTES) for the requests of one client of an API. Until an
    /// [`endpoint`](Self::endpoint) is named, everything passes through.
    pub fn new() -> Self {
        Self::of(Self::DEFAULT_MAX_BYTES)
    }

    /// The same, of so many bytes: those of bodies, header fields and the books about them. At the bound, what was used
    /// least makes room.
    ///
    /// # Errors
    ///
    /// Zero, which would keep nothing.
    pub fn with_max_bytes(max_bytes: u64) -> Result<Self, InvalidConfig> {
        match max_bytes {
            0 => Err(InvalidConfig::new("cache size", "zero would keep nothing")),
            max_bytes => Ok(Self::of(max_bytes)),
        }
    }

    /// For how long after its time to live a response is served while the server refuses or is out. Zero serves none.
    pub fn stale_for(self, stale_for: Duration) -> Self {
        self.base(|base| base.stale_for(stale_for))
    }

    /// How long a caller that has a stale response waits for a new one: see [`Config::stale_wait`].
    pub fn stale_wait(self, stale_wait: Duration) -> Self {
        self.base(|base| base.stale_wait(stale_wait))
    }

    /// The longest body that is kept. A longer one is passed on as it comes.
    pub fn max_body_bytes(self, max_body_bytes: usize) -> Self {
        self.base(|base| base.max_body_bytes(max_body_bytes))
    }

    /// Requests that differ in this header field get different responses: see [`Config::header`].
    pub fn header(self, name: HeaderName) -> Self {
        self.base(|base| base.header(name))
    }

    /// Says whose a request's response is, in the place of the header fields that carry credentials: the user's id, for
    /// one, so that a user whose access token has changed finds what was kept. For a request of which it says nothing
    /// those fields count.
    ///
    /// **Two requests for which it says the same get each other's responses.** It gets the head as this layer sees it, with
    /// the extensions. What the server says of one of their tokens (401, 403) is told to nobody with another, but what was kept
    /// is forgotten for all of them: an answer for a user whom the server has turned away is not to be at hand, and the cost
    /// is one request.
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
        self.rules(|rules| rules.owner = Some(Arc::new(credential)))
    }

    /// Says what a response means, where no other layer has said it.
    pub fn classifier(self, classifier: impl Classifier) -> Self {
        self.rules(|rules| rules.classifier = Arc::new(classifier))
    }

    /// How long a request that callers share may take, from its beginning to the end of the body, whatever their own
    /// deadlines. For the rest of a body that is too long to be kept, there is no limit but that of the call that reads it.
    ///
    /// # Errors
    ///
    /// Zero, which would fail every request.
    pub fn fetch_timeout(self, fetch_timeout: Duration) -> Result<Self, InvalidConfig> {
        if fetch_timeout.is_zero() {
            return Err(InvalidConfig::new("fetch timeout", "zero would fail every request"));
        }
        Ok(self.rules(|rules| rules.fetch_timeout = fetch_timeout))
    }

    /// Where the time comes from.
    pub fn clock(self, clock: Clock) -> Self {
        self.rules(|rules| rules.clock = clock)
    }

    /// Keeps the responses of the `GET`s that match `pattern`; see [`EndpointPattern`](crate::EndpointPattern) for the syntax. A pattern without a method
    /// is for `GET` as well.
    ///
    /// The closure gets what the layer has been given so far, so settings for all endpoints come before. It has to give a
    /// [time to live](Config::ttl).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_heed::ResponseCacheLayer;
    ///
    /// ResponseCacheLayer::new()
    ///     .stale_for(Duration::from_secs(3600))
    ///     .endpoint("GET /api/v2/users/{id}", |config| config.ttl(Duration::from_secs(300)).override_no_store())?
    ///     .endpoint("GET /.well-known/{*document}", |config| config.ttl(Duration::from_secs(3600)))?;
    /// # Ok::<(), tower_heed::error::InvalidConfig>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A pattern that is no `[GET ]/path`, or that is there already, and a time to live that is missing or zero.
    pub fn endpoint(
        mut self,
        pattern: &str,
        configure: impl FnOnce(Config) -> Config,
    ) -> Result<Self, InvalidConfig> {
        let path = match pattern.split_once(' ') {
            None | Some(("GET", _)) => pattern.trim_start_matches("GET "),
            Some(_) => {
                let what = format!("endpoint pattern `{pattern}`");
                return Err(InvalidConfig::new(what, "only responses to GET are kept"));
            }
        };
        let pattern = format!("GET {path}");
        let named = configure(self.base.clone()).named(&pattern)?;
        let endpoints = &mut Arc::make_mut(&mut self.rules).endpoints;
        endpoints.insert(pattern.parse()?, Some(named));
        Ok(self)
    }

    /// Invalidates what is kept, and shows how much there is.
    #[must_use]
    pub fn handle(&self) -> ResponseCacheHandle {
        ResponseCacheHandle::new(Arc::clone(&self.rules.store))
    }

    fn of(max_bytes: u64) -> Self {
        let rules = Rules {
            endpoints: Endpoints::new(None),
            owner: None,
            classifier: Arc::new(Preset::Standard),
            clock: Clock::default(),
            fetch_timeout: Self::DEFAULT_FETCH_TIMEOUT,
            store: Arc::new(Store::new(max_bytes)),
        };
        Self { base: Config::default(), rules: Arc::new(rules) }
    }

    fn base(mut self, change: impl FnOnce(Config) -> Config) -> Self {
        self.base = change(self.base);
        self
    }

    fn rules(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(Arc::make_mut(&mut self.rules));
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
        ResponseCache::new(inner, Arc::clone(&self.rules))
    }
}
