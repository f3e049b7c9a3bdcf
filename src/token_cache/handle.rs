//! Tokens without a request.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    KeySnapshot, Token, TokenError, TokenKey, cache::Cache, cached::Cached, lookup::Lookup, wait,
};

/// Gets tokens without a request, fetches them before the first one, forgets them, and shows their state.
///
/// From [`TokenCacheLayer::handle`](super::TokenCacheLayer::handle). It shares the cache with that layer and all its services:
/// what it does is felt by them at once. Clones are cheap.
///
/// ```
/// use std::time::Duration;
/// use tower::service_fn;
/// use tower_heed::{TokenCacheLayer, token_cache::{Token, TokenError, TokenKey, TokenRequest}};
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
/// // The users' service has changed its keys.
/// handle.invalidate(&users);
/// assert!(handle.snapshot()[1].state().is_none());
/// # Ok(())
/// # }
/// ```
///
/// # Cancellation
///
/// Dropping a future of this ends the waiting. The flight goes on, and its token is kept.
#[derive(Clone, Debug)]
pub struct TokenCacheHandle {
    cache: Cache,
}

// === impl TokenCacheHandle ===

impl TokenCacheHandle {
    pub(super) const fn new(cache: Cache) -> Self {
        Self { cache }
    }

    /// The key of requests that neither bring one nor have one by their endpoint.
    #[must_use]
    pub fn key(&self) -> &TokenKey {
        &self.cache.settings().key
    }

    /// The token of `key`, as a request gets it: at once if there is one, else after a flight, and within the layer's
    /// [`max_wait`](super::TokenCacheLayer::max_wait). Its life is what is left of it.
    ///
    /// # Errors
    ///
    /// No token can be had, or none came in time.
    pub async fn token(&self, key: &TokenKey) -> Result<Token, TokenError> {
        let cache = self.cache.of(key);
        let cached = get(&cache, self.give_up()).await?;
        Ok(cached.token(&cache.settings().clock))
    }

    /// Sees to it that there is a token for each of `keys`, all at the same time and within the layer's
    /// [`max_wait`](super::TokenCacheLayer::max_wait), so that the first requests do not wait.
    ///
    /// Tokens that nobody uses are not refreshed: call it before the traffic begins.
    ///
    /// # Errors
    ///
    /// The first failure in the order of the keys, when all have ended or the time has. Those that could be had are kept.
    pub async fn warm_up(
        &self,
        keys: impl IntoIterator<Item = TokenKey>,
    ) -> Result<(), TokenError> {
        // Each flight departs here, on its own task; what follows only waits for them.
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

    /// Forgets the token of `key`: the next request waits for another. Nothing is fetched here.
    ///
    /// A flight that is under way gives its token to those who wait for it, and it is not kept: it was asked for before. A
    /// hold-off goes on: within it, requests fail for want of a token.
    pub fn invalidate(&self, key: &TokenKey) {
        if let Some(cache) = self.cache.find(key) {
            cache.forget();
        }
    }

    /// Fetches another token for `key` now, **in spite of a hold-off**: whoever calls this in a loop brings on the very
    /// storm that hold-offs prevent. For a person who has just corrected the credentials.
    ///
    /// It joins a flight that is under way. The present token goes on being served until the other is there, and if it
    /// fails; the failure begins a hold-off as any other does.
    ///
    /// # Errors
    ///
    /// The flight failed, or took longer than [`max_wait`](super::TokenCacheLayer::max_wait).
    pub async fn force_refresh(&self, key: &TokenKey) -> Result<Token, TokenError> {
        let cache = self.cache.of(key);
        let give_up = self.give_up();
        let cached = wait::force(&cache, give_up).await?;
        Ok(cached.token(&cache.settings().clock))
    }

    /// What there is to be seen of each key, in their order. It holds no token.
    #[must_use]
    pub fn snapshot(&self) -> Vec<KeySnapshot> {
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
