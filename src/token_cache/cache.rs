//! The slot of one key, as a service sees it.

use std::{hash::BuildHasher, sync::Arc, time::Duration};

use http::{Extensions, HeaderMap, HeaderName, Request, header::AUTHORIZATION};

use super::{
    FetchReason, TimePair, TokenError, TokenKey, TokenScope, TokenSnapshot, TokenState,
    cached::{Cached, time_pair},
    charges::Charges,
    config::Settings,
    fetch::{RejectedToken, Running, TokenFetch, Waiter},
    slot::{Slot, State},
    slots::{OwnSlot, Slots, Source},
    watch::RejectsToken,
};
use crate::endpoint::{Endpoint, Endpoints};

/// The events' target: stable, whatever the modules inside are called.
pub(super) const TARGET: &str = "tower_heed::token_cache";

/// How many segments of a path tell one endpoint from another.
const MAX_SEGMENTS: usize = 6;

/// The slot of one key, with the settings of the service that uses it.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    shared: Arc<Shared>,
    /// The slot of another key than the service's own: so the cache of that one is cloned by counting one reference.
    other: Option<Arc<Slot>>,
    /// Those of the request that needs a token, for the source. None on the path of nearly every request.
    extensions: Option<Arc<Extensions>>,
}

/// What all clones of a service share, and each of its fetches.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    routes: Endpoints<Route>,
    slots: Arc<Slots>,
    /// The slot of the service's own key.
    slot: OwnSlot,
}

/// Which token the requests of an endpoint carry.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) attach: bool,
    /// The slot of the endpoint's key, if that is not the service's own.
    slot: Option<OwnSlot>,
    pub(super) rejects: Option<RejectsToken>,
}

// === impl Cache ===

impl Cache {
    /// The cache of the layer's own key.
    pub(super) fn new(settings: Settings, slots: Arc<Slots>) -> Self {
        let own = &settings.endpoints.base().key;
        let slot = slots.own(own, &settings);
        let routes = settings.endpoints.map(|config| Route {
            attach: config.attach,
            slot: (config.attach && config.key != *own).then(|| slots.own(&config.key, &settings)),
            rejects: config.rejects.clone(),
        });
        Self {
            shared: Arc::new(Shared { settings, routes, slots, slot }),
            other: None,
            extensions: None,
        }
    }

    #[inline]
    pub(super) fn endpoint<B>(&self, request: &Request<B>) -> Endpoint<'_, Route> {
        self.shared.routes.of(request)
    }

    /// The cache of the key that a request or its endpoint names; none if that is this one.
    #[inline]
    pub(super) fn selected(&self, scope: Option<&TokenScope>, route: &Route) -> Option<Self> {
        match (scope, &route.slot) {
            (None, None) => None,
            (Some(scope), _) => Some(self.of(scope.key())),
            (None, Some(own)) => Some(self.with(Arc::clone(own))),
        }
    }

    /// The cache of `key`.
    pub(super) fn of(&self, key: &TokenKey) -> Self {
        let settings = self.settings();
        let now = || time_pair(&settings.clock);
        self.with(self.shared.slots.of(key, settings.max_keys, self.stack(), now))
    }

    /// The cache of `key`, if there is one. This is no use of it.
    pub(super) fn find(&self, key: &TokenKey) -> Option<Self> {
        Some(self.with(self.shared.slots.find(key)?))
    }

    /// The caches of all keys, in their order.
    pub(super) fn all(&self) -> Vec<Self> {
        self.shared.slots.all().into_iter().map(|slot| self.with(slot)).collect()
    }

    fn with(&self, slot: Arc<Slot>) -> Self {
        let extensions = self.extensions.clone();
        Self { shared: Arc::clone(&self.shared), other: Some(slot), extensions }
    }

    /// The cache as this request sees it, which waits for a token.
    pub(super) fn for_request(self, extensions: &Extensions) -> Self {
        Self { extensions: Some(Arc::new(extensions.clone())), ..self }
    }

    /// The extensions of the request that needs a token.
    pub(super) fn extensions(&self) -> Extensions {
        self.extensions.as_deref().cloned().unwrap_or_default()
    }

    #[inline]
    pub(super) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    pub(super) fn key(&self) -> &Arc<TokenKey> {
        self.slot().key()
    }

    pub(super) fn source(&self) -> Source {
        self.shared.slots.source()
    }

    #[inline]
    pub(super) fn slot(&self) -> &Slot {
        self.other.as_ref().unwrap_or(&self.shared.slot)
    }

    /// Whether a request has the field that the tokens are in: that of the key's last one, or before the first that of the
    /// source's last one, or else `Authorization`.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        if let Some(token) = self.slot().current() {
            return token.is_in(headers);
        }
        let own = self.slot().lock().field.clone();
        match own.or_else(|| self.shared.slots.field().as_deref().cloned()) {
            Some(field) => headers.contains_key(field),
            None => headers.contains_key(AUTHORIZATION),
        }
    }

    /// Notes the field that a token of the source is in.
    pub(super) fn note_field(&self, name: &HeaderName) {
        self.shared.slots.note_field(name);
    }

    /// Which endpoints reject all tokens.
    pub(super) fn charges(&self) -> &Charges {
        self.shared.slots.charges()
    }

    /// What tells the endpoint of a request from others: its pattern, or the shape of its address.
    pub(super) fn endpoint_hash<B>(&self, request: &Request<B>) -> u64 {
        let hasher = self.shared.slots.hasher();
        match self.endpoint(request).pattern() {
            Some(pattern) => hasher.hash_one(pattern),
            None => {
                let uri = request.uri();
                let is_name = |segment: &&str| {
                    segment.len() <= 24 && !segment.bytes().any(|byte| byte.is_ascii_digit())
                };
                // What looks like an id stands for any.
                let segments = uri
                    .path()
                    .split('/')
                    .take(MAX_SEGMENTS)
                    .map(|segment| Some(segment).filter(is_name));
                hasher.hash_one((uri.host(), segments.collect::<Vec<_>>()))
            }
        }
    }

    pub(super) fn snapshot(&self) -> TokenSnapshot {
        let now = time_pair(&self.settings().clock);
        let mut state = self.slot().lock();
        TokenSnapshot {
            key: Arc::clone(self.key()),
            state: self.present().map(|(_, state)| state),
            expires_in: self.slot().current().and_then(|cached| cached.expires_in(&now)),
            obtained: state.generations,
            shared: self.slot().current().is_some_and(|cached| cached.bare().is_shared()),
            fetching: state.fetch_in_flight(now.instant()).is_some(),
            cooldown: self.cooldown(&mut state, &now),
            rejected: self.slot().current().is_some_and(|cached| cached.is_rejected()),
        }
    }

    /// The failure because of which no fetch may begin, of this key or of all keys of its client, with the time that is left.
    pub(super) fn cooldown(&self, state: &mut State, now: &TimePair) -> Option<TokenError> {
        let (own, shared) = (state.protection.cooldown(now), self.slot().gate().cooldown(now));
        own.into_iter().chain(shared).max_by_key(TokenError::retry_after)
    }

    /// The name of the stack that the layer belongs to.
    pub(super) fn stack(&self) -> Option<&str> {
        self.settings().endpoints.stack().map(|name| &**name)
    }

    /// The key's parts that events have.
    pub(super) fn names(&self) -> (Option<&str>, Option<&str>) {
        let key = self.slot().key();
        (key.audience(), key.organization())
    }

    /// The present token, if it may be sent.
    pub(super) fn usable(&self) -> Option<Arc<Cached>> {
        let (cached, state) = self.present()?;
        (state != TokenState::Expired).then_some(cached)
    }

    pub(super) fn present(&self) -> Option<(Arc<Cached>, TokenState)> {
        let cached = self.slot().current()?;
        let state = cached.state(&self.settings().clock);
        Some((cached, state))
    }

    /// Joins the fetch in flight, or begins one, which is spawned when the lock is released.
    pub(super) fn fetch(
        &self,
        state: &mut State,
        reason: FetchReason,
        rejected: Option<RejectedToken>,
    ) -> (Waiter, Option<Running>) {
        if let Some(waiter) = state.fetch_in_flight(self.settings().clock.now()) {
            return (waiter, None);
        }
        let (fetch, waiter) = TokenFetch::begin(self.clone(), reason, state, rejected);
        state.fetch = Some(waiter.clone());
        state.overdue = TokenFetch::overdue(self.settings());
        (waiter, Some(fetch))
    }
}

/// A span as events have it.
pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
