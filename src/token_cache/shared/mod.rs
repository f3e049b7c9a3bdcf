//! A source around a source: one token for all processes.

mod fetch;
mod known;
mod note;
mod record;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tower_service::Service;

use self::{fetch::Fetch, known::Known};
use super::{Token, TokenError, TokenKey, TokenRequest};
#[cfg(feature = "client-credentials")]
use crate::oauth::Credentials;
use crate::{
    BoxError,
    error::TokenErrorKind,
    store::{Caller, SealingKeys, SlotReply, SlotRequest, StoreName},
};

/// A source around a source, by which all processes of a fleet have one token: one of them calls the inner source, and the others
/// take the token from a [store](crate::store).
///
/// ```
/// use std::time::Duration;
/// use tower::service_fn;
/// use tower_heed::{
///     TokenCacheLayer, error::TokenError,
///     store::{InMemory, SealingKeys},
///     token_cache::{Shared, Token, TokenKey, TokenRequest},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_heed::BoxError> {
/// # let (namespace, key) = ([1; 32], [2; 32]);
/// // In production: `ClientCredentials`, and its `key()`.
/// let source = service_fn(|_: TokenRequest| async {
///     Ok::<_, TokenError>(Token::bearer("eyJhbGciOi")?.expires_in(Duration::from_secs(3600)))
/// });
/// let client = TokenKey::new().with_client("https://id.example/oauth/token", "my-client", "client_secret_post");
///
/// // In production: `tower_heed_redis::Store` or `tower_heed_memcached::Store`.
/// let store = InMemory::new();
/// let keys = SealingKeys::new(&namespace, 1, &key);
/// let source = Shared::new(client, source, store, keys);
///
/// let layer = TokenCacheLayer::new(source).allow_origin("https://api.example".parse()?);
/// assert_eq!(layer.handle().token(&TokenKey::new()).await?.header_value(), "Bearer eyJhbGciOi");
/// # Ok(())
/// # }
/// ```
///
/// # What it does
///
/// ```text
/// begin ── a record ───────► that token, with the lifetime that it has left
///       ── a cooldown ─────► the error that another process got, with the rest of its wait; nothing is sent
///       ── the lease ──────► call the inner source (the lease is renewed each second) ──► complete, or fail
///       ── another's lease ► ask again after 20 ms, growing to 400 ms
///       ── no reply ───────► twice more within a second, then call the inner source without the store
/// ```
///
/// * **A failure of the store fails nothing.** A fetch waits about a second for it, and after that the store is not called for
///   thirty seconds.
/// * **A process that dies while it fetches** costs the others three seconds, its lease.
/// * **A lease is renewed for three seconds.** If the issuer has not responded six seconds after the fetch began, another process
///   tries as well, and after [`max_wait`](Self::max_wait) each goes on alone.
/// * **A 401 is of one token.** The process that got it asks for another one than that. If the store has another one, nothing is
///   fetched. All processes together fetch twice for this reason, at least ten seconds apart, then once every five minutes.
/// * **Cooldowns are shared** after the issuer rate limited or rejected the request, or sent no usable token. A failure to reach the
///   issuer is not shared: it may be this host's network.
/// * **A token that is bound to a key** (`DpopKey`) is shared by the processes that have the same key. It is not shared at all if the name
///   of the client does not come from the source's own `key`.
/// * **No clocks are compared.** A token's lifetime is a difference of times of the store.
///
/// # Readiness
///
/// It is always ready. A clone of the inner source is made ready before it is called.
///
/// # Cancellation
///
/// A fetch that is dropped, or that panics, leaves its lease, which ends after three seconds. A [`TokenCacheLayer`] never drops one
/// before its [`fetch_timeout`](super::TokenCacheLayer::fetch_timeout).
///
/// # Cloning
///
/// Clones share what they know about the store. Each process needs one `Shared` for each source.
///
/// # Errors
///
/// [`TokenError`]: the inner source's, or for a cooldown that another process began, one of the same kind and status.
///
/// [`TokenCacheLayer`]: super::TokenCacheLayer
#[derive(Clone)]
pub struct Shared<S> {
    source: S,
    fleet: Arc<Fleet>,
}

/// What the clones of a source share, and with which processes.
#[derive(Clone)]
struct Fleet {
    /// The key of the source's own token.
    own: TokenKey,
    keys: SealingKeys,
    slots: Caller<SlotRequest, SlotReply>,
    known: Known,
    max_wait: Duration,
    #[cfg(feature = "client-credentials")]
    credentials: Option<Credentials>,
}

// === impl Shared ===

impl<S> Shared<S> {
    /// Eight seconds: less than the default [`fetch_timeout`](super::TokenCacheLayer::fetch_timeout) by the time of an exchange.
    pub const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(8);

    /// Shares the tokens of `source` with all processes that use the same store, namespace secret and key.
    ///
    /// `own` is the key of the source's own token, which it gives for a [request](TokenRequest) that names no other:
    /// `ClientCredentials::key`. **It must identify the issuer and the client**: processes and sources of equal keys get each other's
    /// tokens.
    pub fn new<T>(own: TokenKey, source: S, store: T, keys: SealingKeys) -> Self
    where
        T: Service<SlotRequest, Response = SlotReply> + Clone + Send + Sync + 'static,
        T::Error: Into<BoxError>,
        T::Future: Send,
    {
        let fleet = Fleet {
            own,
            keys,
            slots: Caller::new("slots", store),
            known: Known::default(),
            max_wait: Self::DEFAULT_MAX_WAIT,
            #[cfg(feature = "client-credentials")]
            credentials: None,
        };
        Self { source, fleet: Arc::new(fleet) }
    }

    /// Sets how long a fetch waits for the fetch of another process before it calls the inner source itself, from the beginning of the
    /// fetch. It must be shorter than the layer's [`fetch_timeout`](super::TokenCacheLayer::fetch_timeout) by the time that the
    /// issuer takes.
    #[must_use]
    pub fn max_wait(mut self, max_wait: Duration) -> Self {
        Arc::make_mut(&mut self.fleet).max_wait = max_wait;
        self
    }

    /// Names the credentials of the inner source: while they are being rotated, the rejection of old ones does not keep a process that
    /// has new ones from fetching, and a process whose credentials are replaced fetches at once. Without them such a cooldown is
    /// for all processes, and ends by time.
    #[cfg(feature = "client-credentials")]
    #[must_use]
    pub fn credentials(mut self, credentials: &Credentials) -> Self {
        Arc::make_mut(&mut self.fleet).credentials = Some(credentials.clone());
        self
    }

    /// The name under which the token of `key` is in the store: for whoever looks at the store itself.
    #[must_use]
    pub fn name(&self, key: &TokenKey) -> StoreName {
        self.fleet.name(key)
    }

    /// Drops the token of `key` from the store. Processes that have it use it until it expires or is rejected; the next one that
    /// has none fetches another.
    ///
    /// # Errors
    ///
    /// [`TokenErrorKind::Unavailable`]: the store did not reply.
    pub async fn forget(&self, key: &TokenKey) -> Result<(), TokenError> {
        let slot = self.fleet.name(key);
        let forgotten = self.fleet.slots.call(SlotRequest::Forget { slot, id: None }).await;
        let silent =
            |_| TokenError::new(TokenErrorKind::Unavailable).with_source("the store did not reply");
        forgotten.map(drop).map_err(silent)
    }
}

impl<S> Service<TokenRequest> for Shared<S>
where
    S: Service<TokenRequest, Response = Token> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    type Response = Token;
    type Error = TokenError;
    type Future = Pin<Box<dyn Future<Output = Result<Token, TokenError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TokenError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: TokenRequest) -> Self::Future {
        let fetch = Fetch::new(Arc::clone(&self.fleet), request);
        Box::pin(fetch.run(self.source.clone()))
    }
}

impl<S> fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("own", &self.fleet.own)
            .field("keys", &self.fleet.keys)
            .finish_non_exhaustive()
    }
}

// === impl Fleet ===

impl Fleet {
    fn name(&self, key: &TokenKey) -> StoreName {
        self.keys.name("t", &key.or(&self.own).canonical())
    }

    /// What tells the present credentials from others; zeros if they are not known.
    fn fingerprint(&self) -> [u8; 8] {
        #[cfg(feature = "client-credentials")]
        if let Some(credentials) = &self.credentials {
            return credentials.with_identity(|identity| self.keys.fingerprint(identity));
        }
        [0; 8]
    }

    /// The rejection of credentials is outdated when they are replaced.
    fn outdate(&self, error: TokenError) -> TokenError {
        #[cfg(feature = "client-credentials")]
        if let Some(credentials) = &self.credentials {
            return credentials.outdate(credentials.version(), error);
        }
        error
    }
}
