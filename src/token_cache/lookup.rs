//! Which token a request gets, and when a flight begins: the state table of the module page.

use std::sync::Arc;

use super::{
    FetchReason, TokenError,
    cache::Cache,
    cached::{Cached, moment},
    fetch::{Flight, Landing},
};
use crate::token_cache::TokenState;

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

// === impl Cache ===

impl Cache {
    /// The path of nearly every request: what `attach` makes of the token, if that is fresh. No lock, and no allocation.
    #[inline]
    pub(super) fn fresh<T>(&self, attach: impl FnOnce(&Cached) -> T) -> Option<T> {
        let current = self.slot().peek();
        let cached = current.as_ref().filter(|cached| cached.is_fresh(&self.settings().clock))?;
        Some(attach(cached))
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
}
