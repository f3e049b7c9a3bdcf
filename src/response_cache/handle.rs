use std::{fmt, sync::Arc, sync::atomic::Ordering};

use http::Uri;

use super::{events, store::Store};

/// Forgets what was kept, and shows how much there is. It outlives the layer, and clones are cheap.
///
/// What it invalidates is invalidated for every credential, at once, and for the requests that are on their way: what they
/// bring is for those who wait for it and is not kept.
///
/// ```
/// use std::time::Duration;
/// use tower_heed::ResponseCacheLayer;
///
/// let layer = ResponseCacheLayer::new()
///     .endpoint("GET /api/v2/users/{id}", |config| config.ttl(Duration::from_secs(300)))?
///     .endpoint("GET /api/v2/users/{id}/roles", |config| config.ttl(Duration::from_secs(60)))?;
/// let handle = layer.handle();
///
/// // A webhook says that the user was changed: `/api/v2/users/auth0|123` and its roles, however they were written.
/// handle.invalidate("id", "auth0|123");
/// assert_eq!(handle.snapshot().entries(), 0);
/// # Ok::<(), tower_heed::error::InvalidConfig>(())
/// ```
#[derive(Clone)]
pub struct ResponseCacheHandle {
    store: Arc<Store>,
}

/// How much is kept, and how often it was of use since the layer was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    entries: u64,
    bytes: u64,
    hits: u64,
    misses: u64,
    shared: u64,
    stale: u64,
}

// === impl ResponseCacheHandle ===

impl ResponseCacheHandle {
    pub(super) const fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// Invalidates the responses of every endpoint whose pattern has a parameter of this name, with this value in its
    /// place: `invalidate("id", "auth0|123")` for `/api/v2/users/{id}`. The value is the plain one; paths are compared
    /// without their percent-encoding.
    pub fn invalidate(&self, parameter: &str, value: &str) {
        self.store.generations.invalidate(self.store.secret.parameter(parameter, value));
        events::invalidated("parameter");
    }

    /// Invalidates the responses of this resource: of the same server and path, with any query.
    pub fn invalidate_uri(&self, uri: &Uri) {
        self.store.generations.invalidate(self.store.secret.resource(uri, None));
        events::invalidated("uri");
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.store.clear();
        events::invalidated("all");
    }

    /// What there is now. It settles the cache's books first, so take it by the second and not by the request.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let (entries, bytes) = self.store.size();
        let counts = &self.store.counts;
        Snapshot {
            entries,
            bytes,
            hits: counts.hits.load(Ordering::Relaxed),
            misses: counts.misses.load(Ordering::Relaxed),
            shared: counts.shared.load(Ordering::Relaxed),
            stale: counts.stale.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for ResponseCacheHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseCacheHandle").finish_non_exhaustive()
    }
}

// === impl Snapshot ===

impl Snapshot {
    /// How many entries are kept. One that was invalidated or has expired counts until it is replaced or makes room.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// The bytes that they take, with the books about them.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Requests that a fresh response was there for.
    #[must_use]
    pub const fn hits(&self) -> u64 {
        self.hits
    }

    /// Requests that were sent because there was none.
    #[must_use]
    pub const fn misses(&self) -> u64 {
        self.misses
    }

    /// Requests that waited for one that was on its way.
    #[must_use]
    pub const fn shared(&self) -> u64 {
        self.shared
    }

    /// Requests that were served a stale response.
    #[must_use]
    pub const fn stale(&self) -> u64 {
        self.stale
    }
}
