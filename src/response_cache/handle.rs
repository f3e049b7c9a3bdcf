use std::{fmt, sync::Arc};

use http::Uri;

use super::{Snapshot, events, store::Store};

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
        self.store.counts.snapshot(self.store.size())
    }
}

impl fmt::Debug for ResponseCacheHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseCacheHandle").finish_non_exhaustive()
    }
}
