//! What ends the use of a token before it expires: a 401, a forced refresh, an invalidation.

use std::{sync::Arc, time::Duration};

use http::HeaderMap;
use tokio::{runtime::Handle, time::Instant};
use tracing::info;

use super::{
    FetchReason,
    cache::{Cache, TARGET, millis},
    cached::{Cached, time_pair},
    fetch::{RejectedToken, Running, TokenFetch, Waiter},
    slot::State,
};

/// What follows from a 401 that rejects a token.
#[derive(Debug)]
pub(super) enum Rejection {
    /// There is another token already.
    Replaced(Arc<Cached>),
    /// The same one is tried again after a pause: it is new, and servers may not know it yet.
    Again(Duration),
    /// One is being fetched.
    Fetch(Waiter),
    /// None may be fetched now.
    Keep,
}

/// An attempt whose token was rejected.
#[derive(Clone, Debug)]
pub(super) struct RejectedAttempt {
    pub(super) generation: u64,
    /// See [`Cache::endpoint_hash`]. None if it was not needed when the request was sent.
    pub(super) endpoint: Option<u64>,
    pub(super) tried: Tried,
    pub(super) send_again: SendAgain,
    /// What the response says about it.
    pub(super) challenges: HeaderMap,
}

/// What a call has tried since its first token was rejected.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tried {
    /// How often the same token was tried again.
    pub(super) again: u32,
    pub(super) previous: bool,
    pub(super) next: bool,
}

/// Whether the request can be sent again.
#[derive(Clone, Copy, Debug)]
pub(super) enum SendAgain {
    No,
    /// Once, by a layer outside.
    Once(Instant),
    /// Several times, until then.
    Until(Instant),
}

/// The first pause before a new token is tried again; each one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The pause where there is only one.
const ONLY_PAUSE: Duration = Duration::from_secs(1);

/// The most pauses of one call: as many as there are until a token is five seconds old.
const MAX_PAUSES: u32 = 5;

// === impl Cache ===

impl Cache {
    /// Handles a 401 that rejects a token.
    pub(super) fn reject(&self, attempt: &mut RejectedAttempt) -> Rejection {
        let (rejection, fetch) = self.reject_unspawned(attempt);
        if fetch.is_some() {
            let (stack, (audience, organization)) = (self.stack(), self.names());
            let generation = attempt.generation;
            info!(target: TARGET, stack, audience, organization, generation, "token rejected, fetching another");
        }
        TokenFetch::spawn(fetch);
        rejection
    }

    /// The same, with a new fetch that has yet to be spawned.
    pub(super) fn reject_unspawned(
        &self,
        attempt: &mut RejectedAttempt,
    ) -> (Rejection, Option<Running>) {
        let now = time_pair(&self.settings().clock);
        let mut state = self.slot().lock();
        let reason = match self.usable() {
            Some(cached) => match self.without_a_fetch(&mut state, attempt, &cached, now.instant())
            {
                Some(rejection) => return (rejection, None),
                None => FetchReason::Rejected,
            },
            None => FetchReason::Expired,
        };
        let may_begin = |state: &mut State| {
            self.cooldown(state, &now).is_none()
                && (reason == FetchReason::Expired
                    || state.protection.rejections.try_take(now.instant()))
        };
        if state.fetch_in_flight(now.instant()).is_none() && !may_begin(&mut state) {
            self.slot().current().inspect(|cached| cached.rejected());
            return (Rejection::Keep, None);
        }
        let rejected =
            self.slot().current().filter(|_| reason == FetchReason::Rejected).map(|cached| {
                RejectedToken { token: cached.bare().clone(), headers: attempt.challenges.clone() }
            });
        let (waiter, fetch) = self.fetch(&mut state, reason, rejected);
        (Rejection::Fetch(waiter), fetch)
    }

    /// What follows from the rejection of a token, of which `present` may be another one; none if a fetch does.
    fn without_a_fetch(
        &self,
        state: &mut State,
        attempt: &mut RejectedAttempt,
        present: &Arc<Cached>,
        now: Instant,
    ) -> Option<Rejection> {
        if present.generation() != attempt.generation {
            return Some(attempt.tried.other(present, attempt.generation));
        }
        let is_new_here = present.has_just_replaced(now)
            && !attempt.endpoint.is_some_and(|endpoint| present.was_accepted_by(endpoint));
        if attempt.tried.next || is_new_here {
            // It has replaced a rejected token, and is rejected as well.
            let again = attempt.pause(present, now);
            if again.is_none() && is_new_here {
                present.rejected();
                self.in_vain(state, attempt, now);
            }
            return Some(again.map_or(Rejection::Keep, Rejection::Again));
        }
        let is_charged = match attempt.endpoint {
            Some(endpoint) => self.charges().is_charged(endpoint, self.slot().hash(), now),
            None => self.charges().is_any_of_all(now),
        };
        if is_charged {
            // The next 401 tells which endpoint it is.
            present.track();
            return Some(Rejection::Keep);
        }
        // A token that was accepted before the request was sent is revoked, or this server is behind the others. The one attempt of
        // a layer outside is worth more with another token, which is tried several times if it is not known either.
        let is_last = matches!(attempt.send_again, SendAgain::Once(_));
        if !attempt.tried.previous && !is_last {
            if let Some(previous) = self.step_back(state, present) {
                attempt.tried.previous = true;
                return Some(Rejection::Replaced(previous));
            }
        }
        if let Some(next) = self.drop_previous(state) {
            if !attempt.tried.previous {
                return Some(attempt.tried.other(&next, attempt.generation));
            }
            return None;
        }
        if !is_last {
            if let Some(pause) = attempt.pause(present, now) {
                return Some(Rejection::Again(pause));
            }
        }
        // A request that cannot be sent again says nothing about a token that servers may not know yet.
        let is_unsure =
            matches!(attempt.send_again, SendAgain::No) && !present.young_for(now).is_zero();
        is_unsure.then_some(Rejection::Keep)
    }

    /// A token that has just replaced a rejected one was rejected as well: the endpoint is at fault, and not the key.
    fn in_vain(&self, state: &mut State, attempt: &RejectedAttempt, now: Instant) {
        let Some(endpoint) = attempt.endpoint else { return };
        if state.cleared < attempt.generation {
            state.cleared = attempt.generation;
            self.charges().in_vain(endpoint, self.slot().hash(), now);
            state.protection.rejections.give_back();
        }
    }

    /// Begins a fetch in spite of a cooldown, or joins the one in flight.
    pub(super) fn force(&self) -> Waiter {
        let now = time_pair(&self.settings().clock);
        let mut state = self.slot().lock();
        let cooldown = self.cooldown(&mut state, &now);
        let (waiter, fetch) = self.fetch(&mut state, FetchReason::Forced, None);
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
        let present = self.slot().current();
        let existed = present.is_some();
        if let Some(present) = present {
            state.invalidated = Some(present.bare().clone());
        }
        self.slot().replace(&mut state, None);
        state.spare = None;
        drop(state);
        if existed {
            let (stack, (audience, organization)) = (self.stack(), self.names());
            info!(target: TARGET, stack, audience, organization, "token invalidated");
        }
    }
}

// === impl RejectedAttempt ===

impl RejectedAttempt {
    /// How long to wait before a new token is tried again; none if it is not new, or there is no time.
    fn pause(&mut self, token: &Cached, now: Instant) -> Option<Duration> {
        let (longest, until) = match self.send_again {
            SendAgain::No => return None,
            SendAgain::Once(until) => (ONLY_PAUSE, until),
            SendAgain::Until(until) => {
                (FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.tried.again)), until)
            }
        };
        let pause = longest.min(token.young_for(now));
        let is_over =
            pause.is_zero() || self.tried.again >= MAX_PAUSES || now.checked_add(pause)? > until;
        if is_over || Handle::try_current().is_err() {
            return None;
        }
        self.tried.again += 1;
        Some(pause)
    }
}

// === impl Tried ===

impl Tried {
    /// Takes another token than the one of `generation`, if it was not tried yet.
    fn other(&mut self, token: &Arc<Cached>, generation: u64) -> Rejection {
        let is_next = token.generation() > generation;
        let tried = if is_next { &mut self.next } else { &mut self.previous };
        match std::mem::replace(tried, true) {
            false => Rejection::Replaced(Arc::clone(token)),
            true => Rejection::Keep,
        }
    }
}
