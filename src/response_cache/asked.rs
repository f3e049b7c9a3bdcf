//! What a request asks for.

use std::{sync::Arc, time::Duration};

use http::{
    Method, Request,
    header::{
        IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE, UPGRADE,
    },
};
use smallvec::SmallVec;

use super::{
    config::Named,
    key::{Key, Tag},
    layer::Rules,
};
use crate::wire::CacheControl;

/// A `GET` whose response may be kept.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) key: Key,
    pub(super) named: Arc<Named>,
    pub(super) pattern: Arc<str>,
    pub(super) wish: Wish,
}

/// What the request's `Cache-Control` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Anything,
    /// Nothing older than this.
    Younger(Duration),
    /// Nothing that was kept.
    New,
    /// Nothing that is not kept.
    Kept,
}

// === impl Asked ===

impl Asked {
    /// What this `GET` asks for, and the request as it was; none if the cache has nothing to do with it.
    pub(super) fn of<B>(rules: &Rules, request: Request<B>) -> (Option<Self>, Request<B>) {
        let endpoint = rules.endpoints.of(&request);
        let (Some(named), Some(pattern)) = (endpoint.config(), endpoint.shared_pattern()) else {
            return (None, request);
        };
        let said = CacheControl::from_headers(request.headers());
        if said.no_store() || asks_for_a_part(&request) {
            return (None, request);
        }
        let wish = match said.max_age() {
            _ if said.no_cache() => Wish::New,
            Some(Duration::ZERO) => Wish::New,
            _ if said.only_if_cached() => Wish::Kept,
            Some(age) => Wish::Younger(age),
            None => Wish::Anything,
        };
        let (head, body) = request.into_parts();
        let owner = rules.owner.as_ref().and_then(|owner| owner(&head));
        let key = rules.store.secret.key(&head, &named.headers, owner.as_deref());
        drop(owner);
        let asked = Self { key, named: Arc::clone(named), pattern, wish };
        (Some(asked), Request::from_parts(head, body))
    }

    /// What its response can be invalidated by.
    pub(super) fn tags<B>(&self, rules: &Rules, request: &Request<B>) -> SmallVec<[Tag; 4]> {
        let (uri, secret) = (request.uri(), &rules.store.secret);
        let mut tags = SmallVec::new();
        tags.push(secret.resource(uri, Some(request.headers())));
        rules.endpoints.each_parameter(&Method::GET, uri.path(), |name, value| {
            tags.push(secret.encoded_parameter(name, value));
        });
        tags
    }
}

/// Whether the response would be a part of the resource, or word that it has not changed: those are the caller's own.
fn asks_for_a_part<B>(request: &Request<B>) -> bool {
    let own =
        [RANGE, IF_RANGE, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, UPGRADE];
    own.iter().any(|name| request.headers().contains_key(name))
}
