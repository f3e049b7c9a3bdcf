//! Which token a request gets, and when a flight begins: the state table of the module page.

use std::sync::Arc;

use tracing::{debug, info, warn};

use super::{
    FetchReason, KeySnapshot, Token, TokenError, TokenKey, TokenScope,
    cached::{Attached, Cached, moment},
    config::{Route, Settings},
    flight::{Flight, Landing, Outcome, Passengers},
    slot::{Held, Slot, State},
    slots::{Slots, Source},
};
use crate::{
    chance,
    policy::{Moment, TokenState},
};

/// The events' target: stable, whatever the modules inside are called.
const TARGET: &str = "tower_heed::token_cache";

/// The slot of one key, with the settings of the service that uses it.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    shared: Arc<Shared>,
    /// The slot of another key than the service's own: so the cache of that one is cloned by counting one reference.
    other: Option<Arc<Slot>>,
}

/// What all clones of a service share, and each of its flights.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    slots: Arc<Slots>,
    /// The slot of the service's own key.
    slot: Arc<Slot>,
}

/// What a request gets at once.
#[derive(Debug)]
pub(super) enum Lookup {
    Token(Arc<Cached>),
    /// It has to wait: [`Cache::board`].
    Wait,
    Refused(TokenError),
}

/// What a request gets that has to wait.
#[derive(Debug)]
pub(super) enum Boarding {
    Token(Arc<Cached>),
    Refused(TokenError),
    /// A flight to wait for, and the token to fall back on while that is still good.
    Flight(Landing, Option<Arc<Cached>>),
}

/// What follows from a 401 that rejects a token.
#[derive(Debug)]
pub(super) enum Rejection {
    /// There is another token already.
    Replaced(Arc<Cached>),
    /// One is being fetched.
    Flight(Landing),
    /// None may be fetched now.
    Keep,
}

// === impl Cache ===

impl Cache {
    /// The cache of the key that the settings name.
    pub(super) fn new(settings: Settings, slots: Arc<Slots>) -> Self {
        let slot = slots.of(&settings.key, settings.max_keys, || moment(&settings.clock));
        Self { shared: Arc::new(Shared { settings, slots, slot }), other: None }
    }

    /// The cache of the key that a request or its endpoint names; none if that is this one.
    #[inline]
    pub(super) fn selected(&self, scope: Option<&TokenScope>, route: &Route) -> Option<Self> {
        match (scope, &route.slot) {
            (None, None) => None,
            (Some(scope), _) => Some(self.of(scope.key())),
            (None, Some(slot)) => Some(self.with(Arc::clone(slot))),
        }
    }

    /// The cache of `key`.
    pub(super) fn of(&self, key: &TokenKey) -> Self {
        let settings = self.settings();
        self.with(self.shared.slots.of(key, settings.max_keys, || moment(&settings.clock)))
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
        Self { shared: Arc::clone(&self.shared), other: Some(slot) }
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

    /// The path of nearly every request: the token, if it is fresh. No lock, and no allocation.
    pub(super) fn fresh(&self) -> Option<Attached> {
        let current = self.slot().peek();
        let cached = current.as_ref().filter(|cached| cached.is_fresh(&self.settings().clock))?;
        Some(cached.attach())
    }

    /// What a request gets at once, whatever the state of the token.
    pub(super) fn lookup(&self) -> Lookup {
        match self.present() {
            Some((cached, TokenState::Fresh)) => Lookup::Token(cached),
            Some((cached, TokenState::RefreshDue)) => {
                // A flight begins unless one is under way or none may; the request goes on with the token at hand.
                drop(self.board());
                Lookup::Token(cached)
            }
            Some((cached, TokenState::Grace)) => self.unless_held_off(Some(cached)),
            Some((_, TokenState::Expired)) | None => self.unless_held_off(None),
        }
    }

    /// The request waits for another token, unless the source is left alone for now: then what is at hand has to do.
    fn unless_held_off(&self, at_hand: Option<Arc<Cached>>) -> Lookup {
        let now = moment(&self.settings().clock);
        let mut state = self.slot().lock();
        match (state.held(&now), at_hand) {
            (Some(_), Some(cached)) => Lookup::Token(cached),
            // A flight that was forced.
            (Some(_), None) if state.under_way(now.instant()).is_some() => Lookup::Wait,
            (Some(error), None) => Lookup::Refused(error),
            (None, _) => Lookup::Wait,
        }
    }

    /// A token, or the one flight that is under way, which begins here if there is none.
    pub(super) fn board(&self) -> Boarding {
        let (boarding, flight) = self.boarding();
        Flight::depart(flight);
        boarding
    }

    /// The same, with a new flight that has yet to depart: not before the lock has been let go.
    pub(super) fn boarding(&self) -> (Boarding, Option<Flight>) {
        let now = moment(&self.settings().clock);
        let mut state = self.slot().lock();
        let present = self.present();
        let reason = match &present {
            Some((cached, TokenState::Fresh)) => {
                return (Boarding::Token(Arc::clone(cached)), None);
            }
            Some((_, TokenState::RefreshDue | TokenState::Grace)) => FetchReason::Due,
            Some((_, TokenState::Expired)) => FetchReason::Expired,
            None => FetchReason::Missing,
        };
        let usable = present.filter(|(_, state)| *state != TokenState::Expired);
        let held = state.held(&now).filter(|_| state.under_way(now.instant()).is_none());
        if let Some(error) = held {
            let refused = Boarding::Refused(error);
            return (usable.map_or(refused, |(cached, _)| Boarding::Token(cached)), None);
        }
        let (landing, flight) = self.flight(&mut state, reason);
        let boarding = match usable {
            Some((cached, TokenState::RefreshDue)) => Boarding::Token(cached),
            fallback => Boarding::Flight(landing, fallback.map(|(cached, _)| cached)),
        };
        (boarding, flight)
    }

    /// Takes note of a 401 that rejects the token of `generation`.
    pub(super) fn reject(&self, generation: u64) -> Rejection {
        let (rejection, flight) = self.rejection(generation);
        if flight.is_some() {
            let (audience, organization) = self.names();
            info!(target: TARGET, audience, organization, generation, "token rejected, fetching another");
        }
        Flight::depart(flight);
        rejection
    }

    /// The same, with a new flight that has yet to depart.
    pub(super) fn rejection(&self, generation: u64) -> (Rejection, Option<Flight>) {
        let now = moment(&self.settings().clock);
        let mut state = self.slot().lock();
        let reason = match self.usable() {
            Some(cached) if cached.generation() != generation => {
                return (Rejection::Replaced(cached), None);
            }
            Some(_) => FetchReason::Rejected,
            None => FetchReason::Expired,
        };
        let limit = &self.settings().rejection_limit;
        let may_begin = |state: &mut State| {
            state.held(&now).is_none()
                && (reason == FetchReason::Expired
                    || state.rejections.try_take(limit, now.instant()))
        };
        if state.under_way(now.instant()).is_none() && !may_begin(&mut state) {
            return (Rejection::Keep, None);
        }
        let (landing, flight) = self.flight(&mut state, reason);
        (Rejection::Flight(landing), flight)
    }

    /// Begins a flight whatever speaks against it, or joins the one under way.
    pub(super) fn force(&self) -> Landing {
        let now = moment(&self.settings().clock);
        let mut state = self.slot().lock();
        let held = state.held(&now);
        let (landing, flight) = self.flight(&mut state, FetchReason::Forced);
        drop(state);
        if flight.is_some() {
            let (audience, organization) = self.names();
            let hold_off = held.and_then(|error| error.retry_after());
            info!(target: TARGET, audience, organization, ?hold_off, "token refresh forced");
        }
        Flight::depart(flight);
        landing
    }

    /// Forgets the present token, and does not keep one that was asked for before.
    pub(super) fn forget(&self) {
        let mut state = self.slot().lock();
        state.epoch += 1;
        let known = self.slot().current().is_some();
        self.slot().replace(&mut state, None);
        drop(state);
        if known {
            let (audience, organization) = self.names();
            info!(target: TARGET, audience, organization, "token forgotten");
        }
    }

    /// What there is to be seen of the slot.
    pub(super) fn snapshot(&self) -> KeySnapshot {
        let now = moment(&self.settings().clock);
        let mut state = self.slot().lock();
        KeySnapshot {
            key: Arc::clone(self.key()),
            state: self.present().map(|(_, state)| state),
            ends_in: self.slot().current().and_then(|cached| cached.ends_in(&now)),
            obtained: state.generations,
            fetching: state.under_way(now.instant()).is_some(),
            held_off: state.held(&now),
        }
    }

    /// What tells this key's events from others'.
    fn names(&self) -> (Option<&str>, Option<&str>) {
        let key = self.slot().key();
        (key.audience(), key.organization())
    }

    /// The present token, if it may be sent.
    pub(super) fn usable(&self) -> Option<Arc<Cached>> {
        let (cached, state) = self.present()?;
        (state != TokenState::Expired).then_some(cached)
    }

    /// Ends a flight: its token is in the slot, or its failure noted, before anyone hears of it.
    pub(super) fn land(
        &self,
        flight: &Flight,
        now: Moment,
        fetched: Result<Token, TokenError>,
    ) -> Outcome {
        let (audience, organization) = self.names();
        let mut state = self.slot().lock();
        let is_noted = state.end(flight.passengers());
        let (asked, reason) = (flight.asked(), flight.reason());
        let generation = state.generations + 1;
        match fetched.and_then(|token| Cached::new(token, generation, asked, self.settings())) {
            Ok(cached) => {
                state.generations = generation;
                state.hold_off.reset();
                state.held = None;
                // One that was asked for before the token was forgotten is for those who wait for it alone. One that was given
                // up and lands late may be older than the present one.
                let is_newest =
                    self.slot().current().is_none_or(|present| present.is_no_newer_than(&asked));
                if flight.epoch() == state.epoch && is_newest {
                    self.slot().replace(&mut state, Some(Arc::clone(&cached)));
                }
                drop(state);
                let (reason, life) = (reason.as_str(), cached.life());
                debug!(target: TARGET, audience, organization, generation, reason, ?life, "token obtained");
                Outcome::Token(cached)
            }
            Err(error) if !is_noted => Outcome::Failed(error),
            Err(error) => {
                let failure = error.failure();
                let wait = state.hold_off.after(failure, error.retry_after(), chance::draw());
                let error = error.with_retry_after(wait);
                state.held = Some(Held::new(now, wait, error.clone()));
                drop(state);
                warn!(
                    target: TARGET,
                    audience,
                    organization,
                    failure = failure.as_str(),
                    status = error.status().map(|status| status.as_u16()),
                    code = error.code(),
                    reason = reason.as_str(),
                    hold_off = ?wait,
                    "no token, not asking again during the hold-off"
                );
                Outcome::Failed(error)
            }
        }
    }

    /// Takes note that a flight ended without telling anything about its source.
    pub(super) fn abandon(&self, flight: &Passengers) {
        self.slot().lock().end(flight);
    }

    /// Whether a flight that is about to ask its source is still the one that is counted on.
    pub(super) fn counts_on(&self, flight: &Passengers) -> bool {
        self.slot().lock().is_noted(flight)
    }

    fn present(&self) -> Option<(Arc<Cached>, TokenState)> {
        let cached = self.slot().current()?;
        let state = cached.state(&self.settings().clock);
        Some((cached, state))
    }

    /// The flight under way, or a new one that departs when the lock has been let go.
    fn flight(&self, state: &mut State, reason: FetchReason) -> (Landing, Option<Flight>) {
        if let Some(landing) = state.under_way(self.settings().clock.now()) {
            return (landing, None);
        }
        let (flight, landing) = Flight::new(self.clone(), reason, state.epoch);
        state.flight = Some(landing.clone());
        (landing, Some(flight))
    }
}
