//! The state of one key: its token, and all that is known about getting another.

use std::{
    fmt,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::{ArcSwapOption, Guard};
use tokio::time::Instant;

use super::{
    TimePair, TokenError, TokenKey,
    cached::Cached,
    fetch::{Publisher, Waiter},
    loom_sync::{Mutex, MutexGuard, SyncPoint},
    rejection_limit::Rejections,
};
use crate::cooldown::Cooldown;

/// The state of one key.
pub(super) struct Slot {
    key: Arc<TokenKey>,
    /// Read by every request, without a lock. Stored to under the lock of `state`.
    current: ArcSwapOption<Cached>,
    sync_point: SyncPoint,
    /// Held for a few lines at a time, never across an await.
    state: Mutex<State>,
    /// When it was last looked up, as a count of look-ups.
    used: AtomicU64,
}

/// What the slow path decides by.
#[derive(Default)]
pub(super) struct State {
    /// The last fetch that was begun, until it ends.
    pub(super) fetch: Option<Waiter>,
    /// How often the token was invalidated. The token of a fetch from before is for its waiters alone, and is not kept.
    pub(super) invalidations: u64,
    pub(super) generations: u64,
    pub(super) rejections: Rejections,
    /// The failures since the last token.
    failures: Cooldown,
    in_cooldown: Option<InCooldown>,
}

/// The time after a failure in which no fetch begins.
struct InCooldown {
    since: TimePair,
    wait: Duration,
    error: TokenError,
}

// === impl Slot ===

impl Slot {
    pub(super) fn new(key: Arc<TokenKey>) -> Self {
        Self {
            key,
            current: ArcSwapOption::empty(),
            sync_point: SyncPoint::default(),
            state: Mutex::new(State::default()),
            used: AtomicU64::new(0),
        }
    }

    pub(super) const fn key(&self) -> &Arc<TokenKey> {
        &self.key
    }

    /// The present token, usable or not, without counting a reference: for the path that every request takes.
    pub(super) fn peek(&self) -> Guard<Option<Arc<Cached>>> {
        self.sync_point.read();
        self.current.load()
    }

    /// The present token, usable or not.
    pub(super) fn current(&self) -> Option<Arc<Cached>> {
        self.sync_point.read();
        self.current.load_full()
    }

    /// Replaces the present token. `_lock` proves that the state is locked.
    pub(super) fn replace(&self, _lock: &mut State, token: Option<Arc<Cached>>) {
        self.sync_point.write();
        self.current.store(token);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic can leave a fetch here that was never noted, and its end is recorded all the same.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a fetch and its waiters synchronize.
    pub(super) const fn sync_point(&self) -> &SyncPoint {
        &self.sync_point
    }

    /// Notes a look-up. `uses` counts those of another slot than the last, so that one slot that is alone in use is not
    /// written to.
    pub(super) fn touch(&self, uses: &AtomicU64) {
        if self.used.load(Ordering::Relaxed) != uses.load(Ordering::Relaxed) {
            self.used.store(uses.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("key", &self.key).finish_non_exhaustive()
    }
}

// === impl State ===

impl State {
    /// The fetch in flight, unless its runtime has stalled.
    pub(super) fn fetch_in_flight(&self, now: Instant) -> Option<Waiter> {
        self.fetch.as_ref().filter(|waiter| waiter.is_expected(now)).cloned()
    }

    /// Removes a fetch that has ended. False if it was given up and another one begun: its result is then old.
    pub(super) fn end(&mut self, publisher: &Publisher) -> bool {
        let is_current = self.is_current(publisher);
        if is_current {
            self.fetch = None;
        }
        is_current
    }

    /// Whether this fetch is the last one that was begun.
    pub(super) fn is_current(&self, publisher: &Publisher) -> bool {
        self.fetch.as_ref().is_some_and(|waiter| waiter.is_of(publisher))
    }

    /// Ends the cooldown after a success.
    pub(super) fn end_cooldown(&mut self) {
        self.in_cooldown = None;
        self.failures.reset();
    }

    /// Begins a cooldown after a failure, and gives the error with the wait.
    pub(super) fn begin_cooldown(
        &mut self,
        now: TimePair,
        error: TokenError,
        jitter: f64,
    ) -> TokenError {
        let wait = self.failures.after(error.kind(), error.retry_after(), jitter);
        let error = error.with_retry_after(wait);
        self.in_cooldown = Some(InCooldown { since: now, wait, error: error.clone() });
        error
    }

    /// The failure because of which no fetch may begin, with the time that is left.
    pub(super) fn cooldown(&mut self, now: &TimePair) -> Option<TokenError> {
        let InCooldown { since, wait, error } = self.in_cooldown.as_ref()?;
        let left = wait.saturating_sub(now.since(since));
        if left.is_zero() {
            self.in_cooldown = None;
            return None;
        }
        if error.is_outdated() {
            // The rejected credentials were replaced: the next failure counts as the first.
            self.end_cooldown();
            return None;
        }
        Some(error.clone().with_retry_after(left))
    }
}
