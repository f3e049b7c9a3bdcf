//! What an issuer said to one client: it holds for all keys of that client.
//!
//! ```text
//! the fetches of all keys ──► admit: as many at a time as the window allows ──► the source
//!                                ▲   a success widens it, a refusal leaves one
//!                                └── in cooldown: none
//! ```
//!
//! A rate limit is the client's, whichever key met it. An outage is known from one key only if no other key has succeeded since
//! and another one fails as well: a source may call a different server for each key.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::{
    TimePair, TokenError,
    cached::time_pair,
    loom_sync::{Mutex, MutexGuard},
    protection::InCooldown,
};
use crate::{
    clock::Clock,
    cooldown::{Cooldown, asked_for},
    error::TokenErrorKind,
};

/// How many fetches of one client are in flight at a time to begin with: an issuer that hangs gets no more. Each success allows one
/// more.
const WINDOW: usize = 64;

const MAX_WINDOW: usize = 64 * 1024;

/// The longest wait that holds for all keys: a longer one is most often the quota of a day, which may be one key's own.
const MAX_SHARED_WAIT: Duration = Duration::from_secs(60 * 60);

/// After as long without a failure, the failures before are forgotten.
const MEMORY: Duration = Duration::from_secs(10 * 60);

/// One client of one token endpoint.
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    window: usize,
    /// When each fetch in flight is given up, the oldest first; none if the clock cannot hold that time.
    in_flight: BTreeMap<u64, Option<Instant>>,
    admitted: u64,
    failures: Cooldown,
    last_failure: Option<Instant>,
    in_cooldown: Option<InCooldown>,
    /// The key whose fetch failed last, if that may have been its own fault.
    suspect: Option<u64>,
    /// The number of cooldowns. A fetch that began before the last one says nothing new.
    cooldowns: u64,
}

/// A fetch in flight.
pub(super) struct Permit {
    gate: Arc<Gate>,
    number: u64,
    cooldowns: u64,
}

/// Whose failure it is.
enum Fault {
    /// The client's or the server's.
    Shared,
    /// That too, if it is seen for two keys in a row.
    Suspected,
    Key,
}

enum Admission {
    Admitted(Permit),
    /// Until then at most.
    Wait(Option<Instant>),
    Closed(TokenError),
}

// === impl Gate ===

impl Gate {
    pub(super) fn new() -> Self {
        let state = State {
            window: WINDOW,
            in_flight: BTreeMap::new(),
            admitted: 0,
            failures: Cooldown::default(),
            last_failure: None,
            in_cooldown: None,
            suspect: None,
            cooldowns: 0,
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// The failure because of which no fetch of any key may begin, with the time that is left.
    pub(super) fn cooldown(&self, now: &TimePair) -> Option<TokenError> {
        self.lock().cooldown(now)
    }

    /// When the last cooldown ends, or has ended.
    pub(super) fn last_failure(&self) -> Option<Instant> {
        self.lock().last_failure
    }

    /// Waits until a fetch may begin, which counts until it ends, and no longer than for `patience`. An error if a cooldown begins
    /// meanwhile, which only `forced` overrides.
    pub(super) async fn admit(
        self: &Arc<Self>,
        clock: &Clock,
        patience: Duration,
        forced: bool,
    ) -> Result<Permit, TokenError> {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            match self.try_admit(&time_pair(clock), patience, forced) {
                Admission::Admitted(permit) => return Ok(permit),
                Admission::Closed(error) => return Err(error),
                Admission::Wait(None) => changed.await,
                Admission::Wait(Some(until)) => drop(timeout_at(until, changed).await),
            }
        }
    }

    fn try_admit(self: &Arc<Self>, now: &TimePair, patience: Duration, forced: bool) -> Admission {
        let mut state = self.lock();
        if !forced {
            if let Some(error) = state.cooldown(now) {
                return Admission::Closed(error);
            }
            if state.in_flight.len() >= state.window {
                let until = state.give_up(now.instant());
                if state.in_flight.len() >= state.window {
                    return Admission::Wait(until);
                }
            }
        }
        state.admitted += 1;
        let (number, cooldowns) = (state.admitted, state.cooldowns);
        state.in_flight.insert(number, now.instant().checked_add(patience));
        Admission::Admitted(Permit { gate: Arc::clone(self), number, cooldowns })
    }

    /// Records that a fetch succeeded that began after so many cooldowns.
    pub(super) fn succeeded(&self, begun: Option<u64>) {
        let mut state = self.lock();
        state.suspect = None;
        if begun.is_none_or(|begun| begun == state.cooldowns) {
            state.in_cooldown = None;
            state.failures.ease();
            state.window = state.window.saturating_add(1).min(MAX_WINDOW);
        }
        drop(state);
        // One for the wider window; dropping the permit wakes another.
        self.changed.notify_one();
    }

    /// Records that the fetch of the key with this hash failed, and returns for how long no key's fetch begins.
    pub(super) fn failed(
        &self,
        begun: Option<u64>,
        hash: u64,
        now: TimePair,
        error: &TokenError,
        jitter: f64,
    ) -> Duration {
        let mut state = self.lock();
        let wait = state.failed(begun, hash, now, error, jitter);
        drop(state);
        if !wait.is_zero() {
            // They learn of the cooldown.
            self.changed.notify_waiters();
        }
        wait
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    /// Counts no longer the fetches that are overdue, because a runtime that stopped polling never ends them. When the next one is.
    fn give_up(&mut self, now: Instant) -> Option<Instant> {
        while let Some(oldest) = self.in_flight.first_entry() {
            match *oldest.get() {
                Some(overdue) if now >= overdue => oldest.remove(),
                until => return until,
            };
        }
        None
    }

    fn cooldown(&mut self, now: &TimePair) -> Option<TokenError> {
        let in_cooldown = self.in_cooldown.as_ref()?;
        let left = in_cooldown.left(now);
        if left.is_zero() || in_cooldown.error.is_outdated() {
            self.in_cooldown = None;
            return None;
        }
        Some(in_cooldown.error.clone().with_retry_after(left))
    }

    fn failed(
        &mut self,
        begun: Option<u64>,
        hash: u64,
        now: TimePair,
        error: &TokenError,
        jitter: f64,
    ) -> Duration {
        match Fault::of(error) {
            Fault::Key => return Duration::ZERO,
            Fault::Suspected if self.suspect.replace(hash).is_none_or(|other| other == hash) => {
                return Duration::ZERO;
            }
            Fault::Suspected | Fault::Shared => {}
        }
        let told = error.retry_after().map(|told| told.min(MAX_SHARED_WAIT));
        let wait = if begun.is_some_and(|begun| begun != self.cooldowns) {
            // It was in flight when the cooldown began.
            told.map_or(Duration::ZERO, |told| asked_for(told, jitter))
        } else {
            let is_old = |last: Instant| now.instant().saturating_duration_since(last) > MEMORY;
            if self.last_failure.is_some_and(is_old) {
                self.failures.reset();
            }
            self.cooldowns += 1;
            self.failures.after(error.kind(), told, jitter)
        };
        self.window = 1;
        self.last_failure = now.instant().checked_add(wait);
        let left = self.in_cooldown.as_ref().map_or(Duration::ZERO, |held| held.left(&now));
        if wait <= left {
            return left;
        }
        self.in_cooldown = Some(InCooldown { since: now, wait, error: error.clone() });
        wait
    }
}

// === impl Permit ===

impl Permit {
    /// The number of cooldowns before it.
    pub(super) const fn cooldowns(&self) -> u64 {
        self.cooldowns
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.in_flight.remove(&self.number);
        drop(state);
        self.gate.changed.notify_one();
    }
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

// === impl Fault ===

impl Fault {
    fn of(error: &TokenError) -> Self {
        match error.kind() {
            _ if error.is_of_one_key() => Self::Key,
            TokenErrorKind::RateLimited => Self::Shared,
            TokenErrorKind::Unavailable | TokenErrorKind::Timeout | TokenErrorKind::Malformed => {
                Self::Suspected
            }
            // The client itself is not accepted; any other rejection may be about the key: its audience, its grant.
            TokenErrorKind::Rejected if error.code() == Some("invalid_client") => Self::Suspected,
            TokenErrorKind::Rejected => Self::Key,
        }
    }
}

#[cfg(all(test, not(tower_heed_loom)))]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rule_43_a_fetch_that_is_never_polled_again_counts_until_it_is_overdue() {
        let (gate, clock) = (Arc::new(Gate::new()), Clock::default());
        let patience = Duration::from_secs(11);
        let mut stalled = Vec::new();
        for _ in 0..WINDOW {
            stalled.push(gate.admit(&clock, patience, false).await.unwrap());
        }
        let begun = Instant::now();
        let permit = timeout_at(begun + 2 * patience, gate.admit(&clock, patience, false)).await;
        assert!(permit.is_ok_and(|admitted| admitted.is_ok()));
        assert_eq!(Instant::now() - begun, patience);
        // Their ends free no other's place.
        let full: Vec<_> = (0..WINDOW)
            .map(|_| gate.try_admit(&time_pair(&clock), patience, false))
            .map_while(|admission| match admission {
                Admission::Admitted(permit) => Some(permit),
                Admission::Wait(_) | Admission::Closed(_) => None,
            })
            .collect();
        assert_eq!(full.len(), WINDOW);
        drop(stalled);
        assert_eq!(gate.lock().in_flight.len(), WINDOW);
    }
}
