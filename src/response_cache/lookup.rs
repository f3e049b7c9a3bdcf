//! What a request has to do for its response: nothing, wait for a flight, or begin one.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tokio::runtime::Handle;

use super::{
    CacheBody, request::Asked, waiter::Caller, events, fetch::Flight, shared::Rules, store::Found,
};
use crate::extensions::Deadline;

#[allow(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
pub(super) enum Boarding<B> {
    /// The response is at hand.
    Answered(Response<CacheBody<B>>),
    /// It sends its request by itself: what comes is not kept.
    Passes,
    /// It waits for a flight that another has begun.
    Follows(Caller),
    /// It begins a flight, and waits for it.
    Leads(Flight, Caller),
}

// === impl Boarding ===

impl<B> Boarding<B> {
    pub(super) fn of<Body>(rules: &Arc<Rules>, asked: Asked, request: &Request<Body>) -> Self {
        let find = || rules.store.find(&asked, request.headers(), rules.clock.now());
        let found = find();
        if let Some(boarding) = Self::at_once(rules, &asked, &found) {
            return boarding;
        }
        if Handle::try_current().is_err() {
            return Self::Passes;
        }
        let store = &rules.store;
        let mut flights = store.flights();
        let stale = match find() {
            Found::Stale(kept) => Some(kept),
            Found::Nothing => None,
            Found::Fresh(_) | Found::Held(..) | Found::Unkept => {
                // One has landed in between.
                drop(flights);
                return Self::of(rules, asked, request);
            }
        };
        let deadline = Deadline::of(request);
        let limit = request.extensions().get().copied();
        let caller = |asked, landing, stale| {
            let rules = Arc::clone(rules);
            Caller { rules, asked, landing, stale, deadline, limit }
        };
        if let Some(landing) = flights.under_way(&asked, rules.clock.now()) {
            drop(flights);
            store.counts.shared.add();
            asked.named.meter.shared();
            return Self::Follows(caller(asked, landing, stale));
        }
        let marks = store.generations.mark(asked.tags(rules, request));
        // Where there is something to serve, the request goes on behind for as long as it takes.
        let flight_deadline = deadline.filter(|_| stale.is_none());
        let headers = request.headers().clone();
        let (flight, landing) =
            Flight::new(Arc::clone(rules), asked.clone(), headers, marks, flight_deadline);
        flights.begin(asked.key, landing.clone());
        drop(flights);
        store.counts.misses.add();
        asked.named.meter.miss();
        Self::Leads(flight, caller(asked, landing, stale))
    }

    /// What there is to do without a flight.
    fn at_once(rules: &Rules, asked: &Asked, found: &Found) -> Option<Self> {
        let now = rules.clock.now();
        let counts = &rules.store.counts;
        match found {
            Found::Fresh(kept) => {
                counts.hits.add();
                asked.named.meter.hit();
                Some(Self::Answered(kept.respond(now, None)))
            }
            Found::Held(kept, class) => {
                counts.stale.add();
                asked.named.meter.stale();
                events::serves_stale(&asked.pattern, &asked.named, *class);
                Some(Self::Answered(kept.respond(now, Some(*class))))
            }
            _ if asked.only_if_cached => {
                let mut response = Response::new(CacheBody::kept(Bytes::new(), None));
                *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
                Some(Self::Answered(response))
            }
            Found::Unkept => Some(Self::Passes),
            Found::Stale(_) | Found::Nothing => None,
        }
    }
}
