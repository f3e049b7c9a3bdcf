//! Which token a request gets, and when a flight begins: the state table of the module page.

use std::sync::Arc;

use tracing::{debug, info, warn};

use super::{
    FetchReason, Token, TokenError,
    cached::{Attached, Cached, moment},
    config::Settings,
    flight::{Flight, Landing, Outcome, Passengers},
    slot::{Held, Slot, State},
};
use crate::{
    chance,
    policy::{Moment, TokenState},
};

/// The events' target: stable, whatever the modules inside are called.
const TARGET: &str = "tower_heed::token_cache";

/// What all clones of a service share, and each of its flights.
#[derive(Debug)]
pub(super) struct Cache {
    pub(super) settings: Settings,
    pub(super) slot: Arc<Slot>,
}

/// What a request gets at once.
#[derive(Debug)]
pub(super) enum Lookup {
    Attach(Attached),
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
    /// The path of nearly every request: the token, if it is fresh. No lock, and no allocation.
    pub(super) fn fresh(&self) -> Option<Attached> {
        let current = self.slot.peek();
        let cached = current.as_ref().filter(|cached| cached.is_fresh(&self.settings.clock))?;
        Some(cached.attach())
    }

    /// What a request gets at once, whatever the state of the token.
    pub(super) fn lookup(self: &Arc<Self>) -> Lookup {
        match self.present() {
            Some((cached, TokenState::Fresh)) => Lookup::Attach(cached.attach()),
            Some((cached, TokenState::RefreshDue)) => {
                // A flight begins unless one is under way or none may; the request goes on with the token at hand.
                drop(self.board());
                Lookup::Attach(cached.attach())
            }
            Some((cached, TokenState::Grace)) => self.unless_held_off(Some(cached.attach())),
            Some((_, TokenState::Expired)) | None => self.unless_held_off(None),
        }
    }

    /// The request waits for another token, unless the source is left alone for now: then what is at hand has to do.
    fn unless_held_off(&self, at_hand: Option<Attached>) -> Lookup {
        let now = moment(&self.settings.clock);
        match (self.slot.lock().held(&now), at_hand) {
            (Some(_), Some(attached)) => Lookup::Attach(attached),
            (Some(error), None) => Lookup::Refused(error),
            (None, _) => Lookup::Wait,
        }
    }

    /// A token, or the one flight that is under way, which begins here if there is none.
    pub(super) fn board(self: &Arc<Self>) -> Boarding {
        let now = moment(&self.settings.clock);
        let mut state = self.slot.lock();
        let present = self.present();
        let reason = match &present {
            Some((cached, TokenState::Fresh)) => return Boarding::Token(Arc::clone(cached)),
            Some((_, TokenState::RefreshDue | TokenState::Grace)) => FetchReason::Due,
            Some((_, TokenState::Expired)) => FetchReason::Expired,
            None => FetchReason::Missing,
        };
        let usable = present.filter(|(_, state)| *state != TokenState::Expired);
        if let Some(error) = state.held(&now) {
            return usable.map_or(Boarding::Refused(error), |(cached, _)| Boarding::Token(cached));
        }
        let (landing, flight) = self.flight(&mut state, reason);
        drop(state);
        Flight::depart(flight);
        match usable {
            Some((cached, TokenState::RefreshDue)) => Boarding::Token(cached),
            fallback => Boarding::Flight(landing, fallback.map(|(cached, _)| cached)),
        }
    }

    /// Takes note of a 401 that rejects the token of `generation`.
    pub(super) fn reject(self: &Arc<Self>, generation: u64) -> Rejection {
        let now = moment(&self.settings.clock);
        let mut state = self.slot.lock();
        let reason = match self.usable() {
            Some(cached) if cached.generation() != generation => {
                return Rejection::Replaced(cached);
            }
            Some(_) => FetchReason::Rejected,
            None => FetchReason::Expired,
        };
        let limit = &self.settings.rejection_limit;
        let may_begin = |state: &mut State| {
            state.held(&now).is_none()
                && (reason == FetchReason::Expired
                    || state.rejections.try_take(limit, now.instant()))
        };
        if state.under_way(now.instant()).is_none() && !may_begin(&mut state) {
            return Rejection::Keep;
        }
        let (landing, flight) = self.flight(&mut state, reason);
        drop(state);
        if flight.is_some() {
            info!(target: TARGET, generation, "token rejected, fetching another");
        }
        Flight::depart(flight);
        Rejection::Flight(landing)
    }

    /// The present token, if it may be sent.
    pub(super) fn usable(&self) -> Option<Arc<Cached>> {
        let (cached, state) = self.present()?;
        (state != TokenState::Expired).then_some(cached)
    }

    /// Ends a flight: its token is in the slot, or its failure noted, before anyone hears of it.
    pub(super) fn land(
        &self,
        flight: &Passengers,
        (asked, now): (Moment, Moment),
        reason: FetchReason,
        fetched: Result<Token, TokenError>,
    ) -> Outcome {
        let mut state = self.slot.lock();
        let is_noted = state.end(flight);
        let generation = state.generations + 1;
        match fetched.and_then(|token| Cached::new(token, generation, asked, &self.settings)) {
            Ok(cached) => {
                state.generations = generation;
                state.hold_off.reset();
                state.held = None;
                // One that was given up and lands late may bring a token older than the present one.
                if self.slot.current().is_none_or(|present| present.is_no_newer_than(&asked)) {
                    self.slot.replace(&mut state, Arc::clone(&cached));
                }
                drop(state);
                let (reason, life) = (reason.as_str(), cached.life());
                debug!(target: TARGET, generation, reason, ?life, "token obtained");
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
        self.slot.lock().end(flight);
    }

    /// Whether a flight that is about to ask its source is still the one that is counted on.
    pub(super) fn counts_on(&self, flight: &Passengers) -> bool {
        self.slot.lock().is_noted(flight)
    }

    fn present(&self) -> Option<(Arc<Cached>, TokenState)> {
        let cached = self.slot.current()?;
        let state = cached.state(&self.settings.clock);
        Some((cached, state))
    }

    /// The flight under way, or a new one that departs when the lock has been let go.
    fn flight(
        self: &Arc<Self>,
        state: &mut State,
        reason: FetchReason,
    ) -> (Landing, Option<Flight>) {
        if let Some(landing) = state.under_way(self.settings.clock.now()) {
            return (landing, None);
        }
        let (flight, landing) = Flight::new(Arc::clone(self), reason);
        state.flight = Some(landing.clone());
        (landing, Some(flight))
    }
}
