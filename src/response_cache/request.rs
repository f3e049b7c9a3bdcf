//! What a request asks for.

use std::{sync::Arc, time::Duration};

use http::{
    HeaderMap, Method, Request,
    header::{
        IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE, UPGRADE,
    },
};
use smallvec::SmallVec;
use tokio::time::Instant;

use super::{
    config::Named,
    stored::Kept,
    key::{Key, Tag},
    shared::Rules,
};
use crate::response_cache::CacheControl;

/// A `GET` whose response may be kept.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) key: Key,
    pub(super) named: Arc<Named>,
    pub(super) pattern: Arc<str>,
    pub(super) wish: Wish,
    /// Nothing is to be sent for it.
    pub(super) only_if_cached: bool,
}

/// What the request accepts of what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Anything,
    /// Nothing that is stale, or older, or that does not stay fresh for so long.
    Fresh {
        max_age: Option<Duration>,
        min_fresh: Duration,
    },
    /// Nothing that was kept, nor is on its way.
    New,
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
        let is_its_own = said.no_store() || asks_for_a_part(request.headers());
        if is_its_own && !said.only_if_cached() {
            return (None, request);
        }
        let wish = match (said.max_age(), said.min_fresh()) {
            _ if is_its_own || said.no_cache() => Wish::New,
            (Some(Duration::ZERO), _) => Wish::New,
            (None, None) => Wish::Anything,
            (max_age, min_fresh) => {
                Wish::Fresh { max_age, min_fresh: min_fresh.unwrap_or_default() }
            }
        };
        let (head, body) = request.into_parts();
        let owner = rules.owner.as_ref().and_then(|owner| owner(&head));
        let key = rules.store.secret.key(&head, &named.headers, owner.as_deref());
        drop(owner);
        let (named, only_if_cached) = (Arc::clone(named), said.only_if_cached());
        let asked = Self { key, named, pattern, wish, only_if_cached };
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

// === impl Wish ===

impl Wish {
    /// Whether a response that is fresh will do.
    pub(super) fn is_met_by(self, kept: &Kept, now: Instant) -> bool {
        match self {
            Self::Anything => true,
            Self::Fresh { min_fresh, .. } => {
                self.accepts_age(kept.age(now)) && kept.stays_fresh(now, min_fresh)
            }
            Self::New => false,
        }
    }

    /// Whether a response will do that was asked for so long ago.
    pub(super) fn accepts_age(self, age: Duration) -> bool {
        match self {
            Self::Anything => true,
            Self::Fresh { max_age, .. } => max_age.is_none_or(|max_age| age <= max_age),
            Self::New => false,
        }
    }
}

/// Whether the response would be a part of the resource, or word that it has not changed: those are the caller's own.
fn asks_for_a_part(headers: &HeaderMap) -> bool {
    let own =
        [RANGE, IF_RANGE, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, UPGRADE];
    own.iter().any(|name| headers.contains_key(name))
}
