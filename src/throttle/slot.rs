//! What all callers of one key share.

use std::{
    mem::{self, Discriminant},
    sync::Arc,
    task::Waker,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    LimiterKind,
    effects::Effects,
    events::Event,
    key::KeyName,
    limiter::{Availability, Observation, Permit, Quota},
    queue::{Notified, Position, Queue},
    routes::Routes,
};
use crate::extensions::Priority;

/// Requests ahead that give up in the last tenth of this request's wait are counted as if they stayed: a permit freed so late would
/// not help it.
const LAST_PART: u32 = 10;

/// What all callers of one key share: its quota, and the queue for it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: KeyName,
    pub(super) quota: Quota,
    pub(super) queue: Queue,
    /// The calls that hold the index of this slot: a slot with calls is not evicted.
    pub(super) users: usize,
    /// Used since the last sweep of the CLOCK eviction.
    pub(super) was_used: bool,
    /// The routes of the buckets that responses have named.
    pub(super) routes: Option<Box<Routes>>,
    /// Whether a response has named no bucket.
    pub(super) had_no_bucket: bool,
    /// The name of the bucket that this is the slot of.
    pub(super) bucket: Option<Arc<str>>,
    backlog: Option<Backlog>,
    logged: Option<(Discriminant<LimiterKind>, Option<u64>)>,
}

/// A time in which requests are queued.
#[derive(Debug)]
struct Backlog {
    since: Instant,
    requests: u64,
    is_logged: bool,
}

/// A slot at one moment, with the effects of its changes.
#[derive(Debug)]
pub(super) struct SlotMut<'a> {
    pub(super) slot: &'a mut Slot,
    pub(super) effects: &'a mut Effects,
    pub(super) now: Instant,
    /// The queued request on whose behalf this runs: not woken, because it sees the result.
    pub(super) asking: Option<Position>,
}

// === impl Slot ===

impl Slot {
    pub(super) fn new(name: KeyName, quota: Quota) -> Self {
        Self {
            name,
            quota,
            queue: Queue::default(),
            users: 0,
            was_used: true,
            routes: None,
            had_no_bucket: false,
            bucket: None,
            backlog: None,
            logged: None,
        }
    }

    /// Whether the route of a request matters: the server names buckets, or nothing is known of it.
    #[inline]
    pub(super) const fn distinguishes_routes(&self) -> bool {
        self.routes.is_some() || !self.had_no_bucket
    }

    /// Takes a permit if nothing is queued and there is one.
    #[inline]
    pub(super) fn acquire(&mut self, now: Instant) -> Option<Permit> {
        if !self.queue.is_empty() {
            return None;
        }
        match self.quota.acquire(now) {
            Availability::Now(permit) => Some(permit),
            Availability::At(_) | Availability::AfterResponse { .. } => None,
        }
    }
}

// === impl SlotMut ===

impl SlotMut<'_> {
    pub(super) fn join(
        &mut self,
        priority: Priority,
        deadline: Option<Instant>,
        waker: &Waker,
    ) -> Position {
        let at = self.slot.queue.join(priority, deadline, waker.clone());
        self.asking = Some(at);
        let first = Backlog { since: self.now, requests: 0, is_logged: false };
        self.slot.backlog.get_or_insert(first).requests += 1;
        let next = self.serve();
        if let Some(deadline) = deadline {
            self.reject_hopeless(at, deadline);
        }
        if let Some(backlog) = self.slot.backlog.as_mut().filter(|backlog| !backlog.is_logged) {
            backlog.is_logged = true;
            let wait = next.map(|next| next.saturating_duration_since(self.now));
            let key = Arc::clone(self.slot.name.shown());
            self.effects.emit(Event::Queued { key, wait });
        }
        at
    }

    /// Rejects a new request if those ahead would use every permit before its deadline and wait until then, or nearly.
    fn reject_hopeless(&mut self, at: Position, deadline: Instant) {
        let last_part = deadline.saturating_duration_since(self.now) / LAST_PART;
        let until = deadline.checked_sub(last_part).unwrap_or(deadline);
        let Some(permits) = self.slot.quota.max_permits_before(deadline, self.now) else { return };
        if self.slot.queue.has_ahead(at, permits, until) {
            let rejected = self.slot.queue.reject(at, Some(until));
            self.wake(rejected);
        }
    }

    /// What the request was notified of, if it was.
    pub(super) fn poll(&mut self, at: Position) -> Option<Notified> {
        self.asking = Some(at);
        if let notified @ Some(_) = self.slot.queue.take_notified(at) {
            return notified;
        }
        if !self.slot.queue.is_due(self.now) {
            return None;
        }
        self.serve();
        self.slot.queue.take_notified(at)
    }

    /// Keeps the waker, and returns the moment of the timer if this request owns it.
    pub(super) fn wait(&mut self, at: Position, waker: &Waker) -> Option<Instant> {
        if let Some(old) = self.slot.queue.replace_waker(at, waker) {
            self.effects.drop(old);
        }
        self.slot.queue.timer_of(at)
    }

    /// Removes a request. A permit that it was given goes to the next.
    pub(super) fn leave(&mut self, at: Position) {
        match self.slot.queue.take_notified(at) {
            Some(Notified::Permit(permit)) => self.hand_on(permit),
            Some(Notified::TooLate(_)) => {}
            None => {
                if let Some(waker) = self.slot.queue.leave(at) {
                    self.effects.drop(waker);
                }
            }
        }
        self.serve();
    }

    /// Gives an unused permit to the next request, or back.
    pub(super) fn release(&mut self, permit: Permit) {
        self.hand_on(permit);
        self.serve();
    }

    #[inline]
    pub(super) fn on_response(&mut self, permit: Permit, seen: &Observation, is_logged: bool) {
        self.slot.quota.on_response(permit, self.now, seen);
        self.learned(is_logged);
    }

    /// The response to a request with a permit of another slot says that it was counted here.
    pub(super) fn on_counted_here(&mut self, sent: Instant, seen: &Observation, is_logged: bool) {
        self.slot.quota.on_response_elsewhere(sent, self.now, seen);
        self.learned(is_logged);
    }

    /// The response to a request with a permit of this slot says that it was counted elsewhere.
    pub(super) fn on_counted_elsewhere(&mut self, permit: Permit, seen: &Observation) {
        if seen.rate_limited {
            self.slot.quota.on_unsent(permit, self.now);
        } else {
            let accepted = Observation { readings: Default::default(), ..*seen };
            self.slot.quota.on_response(permit, self.now, &accepted);
        }
        self.serve();
    }

    pub(super) fn on_unsent(&mut self, permit: Permit) {
        self.slot.quota.on_unsent(permit, self.now);
        self.serve();
    }

    pub(super) fn on_lost(&mut self, permit: Permit) {
        self.slot.quota.on_lost(permit, self.now);
        self.serve();
    }

    pub(super) fn block_for(&mut self, wait: Duration) {
        self.slot.quota.block_for(wait, self.now);
        self.serve();
    }

    fn hand_on(&mut self, permit: Permit) {
        match self.slot.queue.admit_next(permit) {
            Ok(admitted) => self.wake(Some(admitted)),
            Err(permit) => self.slot.quota.on_unsent(permit, self.now),
        }
    }

    fn wake(&mut self, waiter: Option<(Position, Waker)>) {
        match waiter {
            Some((at, waker)) if self.asking == Some(at) => self.effects.drop(waker),
            Some((_, waker)) => self.effects.wake(waker),
            None => {}
        }
    }

    /// Logs the limit if it has changed, and serves the queue.
    #[inline]
    fn learned(&mut self, is_logged: bool) {
        if is_logged {
            self.log_limit();
        }
        self.serve();
    }

    /// Admits and rejects all requests that can be, and sets the timer for the others. Returns when the next permit comes, if that is
    /// known and a request waits for it.
    #[inline]
    fn serve(&mut self) -> Option<Instant> {
        // On the fast path nothing is queued.
        if self.slot.backlog.is_none() && self.slot.queue.is_empty() {
            return None;
        }
        self.serve_queue()
    }

    fn serve_queue(&mut self) -> Option<Instant> {
        let now = self.now;
        self.reject_late(now, None);
        let mut known = None;
        while !self.slot.queue.is_empty() {
            let next = match self.slot.quota.acquire(now) {
                Availability::Now(permit) => {
                    self.hand_on(permit);
                    continue;
                }
                Availability::At(at) => {
                    known = Some(at);
                    self.reject_late(at, known);
                    at
                }
                Availability::AfterResponse { or_at } => or_at,
            };
            // A timer in the past would fire without end.
            let next = next.max(now.checked_add(Duration::from_millis(1)).unwrap_or(now));
            let owner = self.slot.queue.set_timer(now, next);
            self.wake(owner);
            break;
        }
        if self.slot.queue.is_empty() {
            if let Some(Backlog { since, requests, is_logged: true }) = self.slot.backlog.take() {
                let waited = now.saturating_duration_since(since);
                let key = Arc::clone(self.slot.name.shown());
                self.effects.emit(Event::Drained { key, waited, requests });
            }
        }
        known
    }

    fn reject_late(&mut self, moment: Instant, next: Option<Instant>) {
        while let rejected @ Some(_) = self.slot.queue.reject_late(moment, next) {
            self.wake(rejected);
        }
    }

    fn log_limit(&mut self) {
        let snapshot = self.slot.quota.snapshot(self.now);
        let found = Some((mem::discriminant(&snapshot.kind), snapshot.limit));
        let is_shown =
            snapshot.limit.is_some() || matches!(snapshot.kind, LimiterKind::Bucket { .. });
        if is_shown && self.slot.logged != found {
            let key = Arc::clone(self.slot.name.shown());
            let (kind, limit) = (snapshot.kind, snapshot.limit);
            self.effects.emit(Event::Learned { key, kind, limit });
            self.slot.logged = found;
        }
    }
}
