//! What ends the use of a token before it expires: a 401, a forced refresh, an invalidation.

use std::sync::Arc;

use tracing::info;

use super::{
    FetchReason,
    cache::{Cache, TARGET, millis},
    cached::{Cached, time_pair},
    fetch::{Running, TokenFetch, Waiter},
    slot::State,
};

/// What follows from a 401 that rejects a token.
#[derive(Debug)]
pub(super) enum Rejection {
    /// There is another token already.
    Replaced(Arc<Cached>),
    /// One is being fetched.
    Fetch(Waiter),
    /// None may be fetched now.
    Keep,
}

// === impl Cache ===

impl Cache {
    /// Handles a 401 that rejects the token of `generation`.
    pub(super) fn reject(&self, generation: u64) -> Rejection {
        let (rejection, fetch) = self.reject_unspawned(generation);
        if fetch.is_some() {
            let (stack, (audience, organization)) = (self.stack(), self.names());
            info!(target: TARGET, stack, audience, organization, generation, "token rejected, fetching another");
        }
        TokenFetch::spawn(fetch);
        rejection
    }

    /// The same, with a new fetch that has yet to be spawned.
    pub(super) fn reject_unspawned(&self, generation: u64) -> (Rejection, Option<Running>) {
        let now = time_pair(&self.settings().clock);
        let mut state = self.slot().lock();
        let reason = match self.usable() {
            Some(cached) if cached.generation() != generation => {
                return (Rejection::Replaced(cached), None);
            }
            Some(_) => FetchReason::Rejected,
            None => FetchReason::Expired,
        };
        let may_begin = |state: &mut State| {
            state.cooldown(&now).is_none()
                && (reason == FetchReason::Expired || state.rejections.try_take(now.instant()))
        };
        if state.fetch_in_flight(now.instant()).is_none() && !may_begin(&mut state) {
            return (Rejection::Keep, None);
        }
        let (waiter, fetch) = self.fetch(&mut state, reason);
        (Rejection::Fetch(waiter), fetch)
    }

    /// Begins a fetch in spite of a cooldown, or joins the one in flight.
    pub(super) fn force(&self) -> Waiter {
        let now = time_pair(&self.settings().clock);
        let mut state = self.slot().lock();
        let cooldown = state.cooldown(&now);
        let (waiter, fetch) = self.fetch(&mut state, FetchReason::Forced);
        drop(state);
        if fetch.is_some() {
            let (stack, (audience, organization)) = (self.stack(), self.names());
            let cooldown_ms = cooldown.and_then(|error| error.retry_after()).map(millis);
            info!(target: TARGET, stack, audience, organization, cooldown_ms, "token refresh forced");
        }
        TokenFetch::spawn(fetch);
        waiter
    }

    /// Drops the present token, and does not keep one that was requested before.
    pub(super) fn invalidate(&self) {
        let mut state = self.slot().lock();
        state.invalidations += 1;
        let existed = self.slot().current().is_some();
        self.slot().replace(&mut state, None);
        drop(state);
        if existed {
            let (stack, (audience, organization)) = (self.stack(), self.names());
            info!(target: TARGET, stack, audience, organization, "token invalidated");
        }
    }
}
