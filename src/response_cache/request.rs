//! A request whose response may be stored.

use std::sync::Arc;

use http::{Method, Request};
use smallvec::SmallVec;

use super::{
    cache_control::RequestDirectives,
    key::{LookupKey, Tag},
    shared::{CachedEndpoint, Shared},
};

/// A `GET` whose response may be stored.
#[derive(Clone)]
pub(super) struct CacheableRequest {
    pub(super) key: LookupKey,
    pub(super) endpoint: Arc<CachedEndpoint>,
    pub(super) directives: RequestDirectives,
}

// === impl CacheableRequest ===

impl CacheableRequest {
    /// Reads a `GET`, and gives it back. `None` if it bypasses the cache.
    pub(super) fn new<B>(shared: &Shared, request: Request<B>) -> (Option<Self>, Request<B>) {
        let Some(endpoint) = shared.endpoints.of(&request).config() else {
            return (None, request);
        };
        let Some(directives) = RequestDirectives::from_headers(request.headers()) else {
            return (None, request);
        };
        let (head, body) = request.into_parts();
        let owner = shared.credential.as_ref().and_then(|credential| credential(&head));
        let fields = &endpoint.config.fields;
        let key = shared.store.hash_key.lookup_key(&head, fields, owner.as_deref());
        drop(owner);
        let cacheable = Self { key, endpoint: Arc::clone(endpoint), directives };
        (Some(cacheable), Request::from_parts(head, body))
    }
}

/// The tags by which the response to a request can be invalidated.
pub(super) fn tags<B>(shared: &Shared, request: &Request<B>) -> SmallVec<[Tag; 4]> {
    let (uri, hash_key) = (request.uri(), &shared.store.hash_key);
    let mut tags = SmallVec::<[Tag; 4]>::new();
    tags.push(hash_key.resource(uri, Some(request.headers())));
    shared.endpoints.each_parameter(&Method::GET, uri.path(), |name, value| {
        let tag = hash_key.encoded_parameter(name, value);
        // Several patterns may have the same parameter.
        if tags.iter().all(|earlier| earlier.0 != tag.0) {
            tags.push(tag);
        }
    });
    tags
}
