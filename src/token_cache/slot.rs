//! The place of one token, and all that is known about getting another.

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
    TokenError, TokenKey,
    cached::Cached,
    fetch::{Publisher, Waiter},
    loom_sync::{Meeting, Mutex, MutexGuard},
    rejection_limit::Rejections,
};
use crate::{cooldown::Cooldown, token_cache::Moment};

/// The token of one key, and all that is known about getting another.
pub(super) struct Slot {
    key: Arc<TokenKey>,
    /// Read by every request, without a lock. Stored to under the lock of `state`.
    current: ArcSwapOption<Cached>,
    meeting: Meeting,
    /// Held for a few lines at a time, never while anything is waited for.
    state: Mutex<State>,
    /// When it was last looked up, as a count of look-ups.
    used: AtomicU64,
}

/// What the slow path decides by.
#[derive(Default)]
pub(super) struct State {
    /// The last fetch that was begun, until it ends.
    pub(super) fetch: Option<Waiter>,
    /// How often the token was forgotten. The token of a fetch from before is for its waiters alone, and is not kept.
    pub(super) epoch: u64,
    pub(super) generations: u64,
    pub(super) hold_off: Cooldown,
    pub(super) held: Option<Held>,
    pub(super) rejections: Rejections,
}

/// The time after a failure in which no fetch begins.
pub(super) struct Held {
    since: Moment,
    wait: Duration,
    error: TokenError,
}

// === impl Slot ===

impl Slot {
    pub(super) fn new(key: Arc<TokenKey>) -> Self {
        Self {
            key,
            current: ArcSwapOption::empty(),
            meeting: Meeting::default(),
            state: Mutex::new(State::default()),
            used: AtomicU64::new(0),
        }
    }

    pub(super) const fn key(&self) -> &Arc<TokenKey> {
        &self.key
    }

    /// The present token, good or not, on loan: for the path that every request takes.
    pub(super) fn peek(&self) -> Guard<Option<Arc<Cached>>> {
        self.meeting.read();
        self.current.load()
    }

    /// The present token, good or not.
    pub(super) fn current(&self) -> Option<Arc<Cached>> {
        self.meeting.read();
        self.current.load_full()
    }

    /// Puts a token, or none, in the place of the present one. The lock says that nobody else does so meanwhile.
    pub(super) fn replace(&self, _lock: &mut State, token: Option<Arc<Cached>>) {
        self.meeting.write();
        self.current.store(token);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // What a panic can leave half done here is a fetch that was not noted, and its end is noted all the same.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a fetch and its waiters meet.
    pub(super) const fn meeting(&self) -> &Meeting {
        &self.meeting
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
    /// The fetch under way, if there is one whose outcome is to be expected.
    pub(super) fn under_way(&self, now: Instant) -> Option<Waiter> {
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

    /// Begins a cooldown after a failure, and gives the error with the wait.
    pub(super) fn begin_cooldown(
        &mut self,
        now: Moment,
        error: TokenError,
        chance: f64,
    ) -> TokenError {
        let wait = self.hold_off.after(error.kind(), error.retry_after(), chance);
        let error = error.with_retry_after(wait);
        self.held = Some(Held { since: now, wait, error: error.clone() });
        error
    }

    /// The failure because of which no fetch may begin, with the time that is left.
    pub(super) fn held(&mut self, now: &Moment) -> Option<TokenError> {
        let held = self.held.as_ref()?;
        let left = held.wait.saturating_sub(now.since(&held.since));
        if left.is_zero() {
            self.held = None;
            return None;
        }
        if held.error.is_outdated() {
            // What was rejected is no longer what will be sent: the next failure is the first of its row.
            self.held = None;
            self.hold_off.reset();
            return None;
        }
        Some(held.error.clone().with_retry_after(left))
    }
}
