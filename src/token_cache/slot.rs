//! The state of one key: its token, and all that is known about getting another.

use std::{
    fmt,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use arc_swap::{ArcSwapOption, Guard};
use http::HeaderName;
use tokio::time::Instant;

use super::{
    Token, TokenKey,
    cached::Cached,
    fetch::{Publisher, Waiter},
    gate::Gate,
    loom_sync::{Mutex, MutexGuard, SyncPoint},
    protection::Protection,
    spare::Spare,
};

/// The state of one key.
pub(super) struct Slot {
    key: Arc<TokenKey>,
    hash: u64,
    gate: Arc<Gate>,
    /// Read by every request, without a lock. Stored to under the lock of `state`.
    current: ArcSwapOption<Cached>,
    sync_point: SyncPoint,
    /// Held for a few lines at a time, never across an await.
    state: Mutex<State>,
    /// When it was last looked up, as a count of look-ups.
    used: AtomicU64,
    /// The same of the first look-up.
    first_used: AtomicU64,
    /// Its place among those that may be evicted. Changed under the lock of all slots.
    pub(super) place: AtomicUsize,
}

/// The place of a slot that is not evicted.
pub(super) const NO_PLACE: usize = usize::MAX;

/// What the slow path decides by.
#[derive(Default)]
pub(super) struct State {
    /// The last fetch that was begun, until it ends.
    pub(super) fetch: Option<Waiter>,
    /// After this no call joins it, because its runtime has evidently stopped polling. None if the clock cannot hold that time.
    pub(super) overdue: Option<Instant>,
    /// The field that the last token was in, for when there is none.
    pub(super) field: Option<HeaderName>,
    /// How often the token was invalidated. The token of a fetch from before is for its waiters alone, and is not kept.
    pub(super) invalidations: u64,
    /// The token that was invalidated, until there is another: a store may still have it.
    pub(super) invalidated: Option<Token>,
    pub(super) generations: u64,
    pub(super) protection: Protection,
    /// The token besides the present one.
    pub(super) spare: Option<Spare>,
    /// The last generation of which it is known that its rejection was no fault of it.
    pub(super) cleared: u64,
}

// === impl Slot ===

impl Slot {
    pub(super) fn new(
        key: Arc<TokenKey>,
        hash: u64,
        gate: Arc<Gate>,
        protection: Protection,
    ) -> Self {
        Self {
            key,
            hash,
            gate,
            current: ArcSwapOption::empty(),
            sync_point: SyncPoint::default(),
            state: Mutex::new(State { protection, ..State::default() }),
            used: AtomicU64::new(0),
            first_used: AtomicU64::new(0),
            place: AtomicUsize::new(NO_PLACE),
        }
    }

    pub(super) const fn key(&self) -> &Arc<TokenKey> {
        &self.key
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }

    /// What holds for all keys of the client.
    pub(super) const fn gate(&self) -> &Arc<Gate> {
        &self.gate
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

    /// Replaces the present token. `state` proves that it is locked.
    pub(super) fn replace(&self, state: &mut State, token: Option<Arc<Cached>>) {
        if let Some(token) = &token {
            state.field = Some(token.bare().header_name().clone());
        }
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
        let last = self.used.load(Ordering::Relaxed);
        if last != uses.load(Ordering::Relaxed) {
            let count = uses.fetch_add(1, Ordering::Relaxed) + 1;
            self.used.store(count, Ordering::Relaxed);
            if last == 0 {
                self.first_used.store(count, Ordering::Relaxed);
            }
        }
    }

    /// Whether it was looked up only once, or several times and no other slot meanwhile.
    pub(super) fn was_used_once(&self) -> bool {
        self.used() == self.first_used.load(Ordering::Relaxed)
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
        let is_overdue = self.overdue.is_some_and(|overdue| now >= overdue);
        self.fetch.as_ref().filter(|waiter| !is_overdue && waiter.is_expected(now)).cloned()
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

    /// What limits the fetches, for when the slot is evicted.
    pub(super) fn take_protection(&mut self) -> Protection {
        std::mem::take(&mut self.protection)
    }
}
