//! Tokens without a request.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    Token, TokenError, TokenKey, TokenSnapshot, cache::Cache, cached::Cached, lookup::Lookup, wait,
};

/// Gets tokens without a request, fetches them before the first one, invalidates them, and shows their state.
///
/// From [`TokenCacheLayer::handle`](super::TokenCacheLayer::handle). It shares the cache with that layer and all its services:
/// its effect is immediate. Clones are cheap.
///
/// ```
/// use std::time::Duration;
/// use tower::service_fn;
/// use tower_heed::{error::TokenError, token_cache::{Token, TokenKey, TokenRequest}, TokenCacheLayer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), TokenError> {
/// let layer = TokenCacheLayer::new(service_fn(|request: TokenRequest| async move {
///     let audience = request.key().audience().unwrap_or("everything");
///     Ok::<_, TokenError>(Token::bearer(format!("for-{audience}"))?.expires_in(Duration::from_secs(3600)))
/// }));
/// let handle = layer.handle();
/// let users = TokenKey::new().with_audience("users");
///
/// handle.warm_up([handle.key().clone(), users.clone()]).await?;
/// assert_eq!(handle.token(&users).await?.header_value(), "Bearer for-users");
///
/// let snapshot = handle.snapshot();
/// assert_eq!((snapshot.len(), snapshot[1].obtained()), (2, 1));
///
/// // The users' service has rotated its keys.
/// handle.invalidate(&users);
/// assert!(handle.snapshot()[1].state().is_none());
/// # Ok(())
/// # }
/// ```
///
/// # Cancellation
///
/// Dropping one of its futures ends the wait. The fetch goes on, and its token is kept.
#[derive(Clone, Debug)]
pub struct TokenCacheHandle {
    cache: Cache,
}

// === impl TokenCacheHandle ===

impl TokenCacheHandle {
    pub(super) const fn new(cache: Cache) -> Self {
        Self { cache }
    }

    /// The key of requests for which neither they nor their endpoint name one.
    #[must_use]
    pub fn key(&self) -> &TokenKey {
        &self.cache.settings().endpoints.base().key
    }

    /// The token of `key`, as a request gets it: at once if there is one, else after a fetch, and within the layer's
    /// [`max_wait`](super::TokenCacheLayer::max_wait). Its lifetime is the remaining one.
    ///
    /// # Errors
    ///
    /// No token is available, or none arrived in time.
    pub async fn token(&self, key: &TokenKey) -> Result<Token, TokenError> {
        let cache = self.cache.of(key);
        let cached = get(&cache, self.give_up()).await?;
        Ok(cached.token(&cache.settings().clock))
    }

    /// Fetches a token for each of `keys` that has none, concurrently and within the layer's
    /// [`max_wait`](super::TokenCacheLayer::max_wait), so that the first requests do not wait.
    ///
    /// Tokens that nothing uses are not refreshed: call it just before the traffic begins.
    ///
    /// # Errors
    ///
    /// The first failure in the order of the keys, once all fetches have ended or the time is up. Tokens that were fetched are
    /// kept.
    pub async fn warm_up(
        &self,
        keys: impl IntoIterator<Item = TokenKey>,
    ) -> Result<(), TokenError> {
        // Each fetch is spawned here, on its own task; what follows only waits for them.
        let caches: Vec<_> = keys.into_iter().map(|key| self.cache.of(&key)).collect();
        for cache in &caches {
            if matches!(cache.lookup(), Lookup::Wait) {
                drop(cache.join());
            }
        }
        let give_up = self.give_up();
        let mut outcome = Ok(());
        for cache in &caches {
            outcome = outcome.and(get(cache, give_up).await.map(drop));
        }
        outcome
    }

    /// Drops the token of `key`: the next request waits for another. Nothing is fetched here.
    ///
    /// A fetch in flight gives its token to its waiters, and the token is not kept: it was requested before. A cooldown goes
    /// on: during it, requests fail because no token is available.
    pub fn invalidate(&self, key: &TokenKey) {
        if let Some(cache) = self.cache.find(key) {
            cache.invalidate();
        }
    }

    /// Fetches another token for `key` now, **in spite of a cooldown**: called in a loop it causes the very storm that
    /// cooldowns prevent. For a person who has just corrected the credentials.
    ///
    /// It joins a fetch in flight. The present token stays in use until the other one is there, and if the fetch fails; a
    /// failure begins a cooldown as any other does.
    ///
    /// # Errors
    ///
    /// The fetch failed, or took longer than [`max_wait`](super::TokenCacheLayer::max_wait).
    pub async fn force_refresh(&self, key: &TokenKey) -> Result<Token, TokenError> {
        let cache = self.cache.of(key);
        let give_up = self.give_up();
        let cached = wait::force(&cache, give_up).await?;
        Ok(cached.token(&cache.settings().clock))
    }

    /// The state of each key, in the order of the keys. It holds no token.
    #[must_use]
    pub fn snapshot(&self) -> Vec<TokenSnapshot> {
        self.cache.all().iter().map(Cache::snapshot).collect()
    }

    fn give_up(&self) -> Instant {
        wait::give_up(self.cache.settings())
    }
}

async fn get(cache: &Cache, give_up: Instant) -> Result<Arc<Cached>, TokenError> {
    match cache.lookup() {
        Lookup::Token(cached) => Ok(cached),
        Lookup::Cooldown(error) => Err(error),
        Lookup::Wait => wait::acquire(cache.clone(), give_up).await,
    }
}
