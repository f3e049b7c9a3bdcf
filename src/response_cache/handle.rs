use std::{fmt, sync::Arc};

use http::Uri;

use super::{ResponseCacheSnapshot, events, store::Store};

/// Invalidates stored responses, and shows how many there are. Clones are cheap and outlive the layer.
///
/// An invalidation takes effect at once and for every credential. It also applies to fetches in flight: their waiters get the
/// response, which is not stored.
///
/// ```
/// use std::time::Duration;
/// use tower_heed::ResponseCacheLayer;
///
/// let layer = ResponseCacheLayer::new()
///     .endpoint("GET /api/v2/users/{id}".parse()?, |config| config.ttl(Duration::from_secs(300)))
///     .endpoint("GET /api/v2/users/{id}/roles".parse()?, |config| {
///         config.ttl(Duration::from_secs(60))
///     });
/// let handle = layer.handle();
///
/// // A webhook reports a change: this invalidates `/api/v2/users/auth0|123` and its roles, percent-encoded or not.
/// handle.invalidate("id", "auth0|123");
/// assert_eq!(handle.snapshot().entries(), 0);
/// # Ok::<(), tower_heed::error::InvalidConfig>(())
/// ```
#[derive(Clone)]
pub struct ResponseCacheHandle {
    store: Arc<Store>,
    stack: Option<Arc<str>>,
}

// === impl ResponseCacheHandle ===

impl ResponseCacheHandle {
    pub(super) const fn new(store: Arc<Store>, stack: Option<Arc<str>>) -> Self {
        Self { store, stack }
    }

    /// Invalidates the responses to all requests that match an endpoint's pattern with a parameter of this name, with this value:
    /// `invalidate("id", "auth0|123")` for `/api/v2/users/{id}`. Every matching pattern of the layer counts, not only the most
    /// specific one. The value is not percent-encoded; the paths are compared
    /// without their percent-encoding.
    pub fn invalidate(&self, parameter: &str, value: &str) {
        self.store.generations.invalidate(self.store.hash_key.parameter(parameter, value));
        events::invalidated(self.stack.as_deref(), "parameter");
    }

    /// Invalidates the responses of a resource: of the same server and path, with any query.
    pub fn invalidate_uri(&self, uri: &Uri) {
        self.store.generations.invalidate(self.store.hash_key.resource(uri, None));
        events::invalidated(self.stack.as_deref(), "uri");
    }

    /// Removes all responses.
    pub fn clear(&self) {
        self.store.clear();
        events::invalidated(self.stack.as_deref(), "all");
    }

    /// The present size and use. It runs the cache's pending work first: call it every few seconds, not for each request.
    #[must_use]
    pub fn snapshot(&self) -> ResponseCacheSnapshot {
        self.store.counts.snapshot(self.store.size())
    }
}

impl fmt::Debug for ResponseCacheHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseCacheHandle").finish_non_exhaustive()
    }
}
