//! What a flight leaves in its slot.

use std::sync::Arc;

use tracing::{debug, warn};

use super::{
    Token, TokenError,
    cache::{Cache, TARGET},
    cached::Cached,
    fetch::{Flight, Outcome, Passengers},
    slot::Held,
};
use crate::{chance, token_cache::Moment};

impl Cache {
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
}
