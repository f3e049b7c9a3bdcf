//! What to do for a request: respond, pass it through, wait for a fetch, or begin one.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tokio::runtime::Handle;

use super::{
    CacheBody, events, fetch::Fetch, request::CacheableRequest, shared::Shared, store::Found,
    waiting::WaitingCall,
};
use crate::{extensions::Deadline, single_flight::Running};

#[allow(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
pub(super) enum Lookup<B> {
    Respond(Response<CacheBody<B>>),
    PassThrough,
    /// The request waits for another call's fetch.
    Join(WaitingCall),
    /// The request begins a fetch, and waits for it.
    Lead(Running<Fetch>, WaitingCall),
}

// === impl Lookup ===

impl<B> Lookup<B> {
    pub(super) fn new<Body>(
        shared: &Arc<Shared>,
        cacheable: CacheableRequest,
        request: &Request<Body>,
    ) -> Self {
        let store = &shared.store;
        let (key, accepts) = (cacheable.key, cacheable.directives.accepts);
        let find = || store.find(key, accepts, request.headers(), shared.clock.now());
        let found = find();
        if let Some(lookup) = Self::without_fetch(shared, &cacheable, &found) {
            return lookup;
        }
        if Handle::try_current().is_err() {
            return Self::PassThrough;
        }
        let (now, system_time) = (shared.clock.now(), shared.clock.system_time());
        let mut in_flight = shared.in_flight.lock();
        let (stale, is_served_at_once) = match find() {
            Found::Stale(stored) => (Some(stored), false),
            Found::WhileRefreshed(stored) => (Some(stored), true),
            Found::Nothing => (None, false),
            Found::Fresh(_) | Found::InCooldown(..) | Found::NotStored => {
                // A fetch was completed in between.
                drop(in_flight);
                return Self::new(shared, cacheable, request);
            }
        };
        let deadline = Deadline::of(request);
        let stored = store.to_validate(key, request.headers(), system_time);
        // Each of its requests is validated by itself.
        let is_alone = stored.as_ref().is_some_and(|stored| stored.is_never_fresh());
        let pending = match is_alone {
            true => None,
            false => in_flight.find(key, accepts, &store.generations, now),
        };
        let (running, fetch, waiting) = match pending {
            Some((fetch, waiting)) => (None, fetch, waiting),
            None => {
                // A refresh continues in the background, so the call's deadline does not limit it.
                let limit = deadline.filter(|_| stale.is_none());
                let (running, fetch, waiting) =
                    Fetch::begin(shared, &cacheable, request, limit, stored);
                if !is_alone {
                    in_flight.insert(key, fetch.clone());
                }
                (Some(running), fetch, waiting)
            }
        };
        drop(in_flight);
        let (shared, own_deadline) = (Arc::clone(shared), request.extensions().get().copied());
        let call = WaitingCall {
            shared,
            request: cacheable,
            fetch,
            waiting,
            stale,
            is_served_at_once,
            deadline,
            own_deadline,
        };
        Self::with_fetch(running, call)
    }

    fn with_fetch(running: Option<Running<Fetch>>, call: WaitingCall) -> Self {
        let (counts, metrics) = (&call.shared.store.counts, &call.request.endpoint.metrics);
        match running {
            Some(running) => {
                counts.misses.add();
                metrics.miss();
                Self::Lead(running, call)
            }
            None => {
                counts.shared.add();
                metrics.shared();
                Self::Join(call)
            }
        }
    }

    /// What to do if no fetch is needed.
    fn without_fetch(shared: &Shared, request: &CacheableRequest, found: &Found) -> Option<Self> {
        let (counts, metrics) = (&shared.store.counts, &request.endpoint.metrics);
        match found {
            Found::Fresh(stored) => {
                counts.hits.add();
                metrics.hit();
                Some(Self::Respond(stored.respond(shared.clock.now(), None)))
            }
            Found::InCooldown(stored, class) => {
                counts.stale.add();
                metrics.stale();
                events::serving_stale(&request.endpoint, *class);
                Some(Self::Respond(stored.respond(shared.clock.now(), Some(*class))))
            }
            _ if request.directives.only_if_cached => {
                let mut response = Response::new(CacheBody::complete(Bytes::new(), None));
                *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
                Some(Self::Respond(response))
            }
            Found::NotStored => Some(Self::PassThrough),
            Found::Stale(_) | Found::WhileRefreshed(_) | Found::Nothing => None,
        }
    }
}
