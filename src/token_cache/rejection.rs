//! What ends the use of a token before its time: a 401, and the word of whoever holds the handle.

use std::sync::Arc;

use tracing::info;

use super::{
    FetchReason,
    cache::{Cache, TARGET},
    cached::{Cached, moment},
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
    /// Takes note of a 401 that rejects the token of `generation`.
    pub(super) fn reject(&self, generation: u64) -> Rejection {
        let (rejection, fetch) = self.reject_unspawned(generation);
        if fetch.is_some() {
            let (audience, organization) = self.names();
            info!(target: TARGET, audience, organization, generation, "token rejected, fetching another");
        }
        TokenFetch::spawn(fetch);
        rejection
    }

    /// The same, with a new fetch that has yet to be spawned.
    pub(super) fn reject_unspawned(&self, generation: u64) -> (Rejection, Option<Running>) {
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
        let (waiter, fetch) = self.fetch(&mut state, reason);
        (Rejection::Fetch(waiter), fetch)
    }

    /// Begins a fetch in spite of a cooldown, or joins the one under way.
    pub(super) fn force(&self) -> Waiter {
        let now = moment(&self.settings().clock);
        let mut state = self.slot().lock();
        let held = state.held(&now);
        let (waiter, fetch) = self.fetch(&mut state, FetchReason::Forced);
        drop(state);
        if fetch.is_some() {
            let (audience, organization) = self.names();
            let hold_off = held.and_then(|error| error.retry_after());
            info!(target: TARGET, audience, organization, ?hold_off, "token refresh forced");
        }
        TokenFetch::spawn(fetch);
        waiter
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
}
