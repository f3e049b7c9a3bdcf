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
    latency::Latencies,
    limiter::{Availability, Observation, Permit, Quota},
    queue::{Notified, Patience, Position, Queue, TooLate, later},
    reserve::Reserve,
    route::LastRoute,
    routes::Routes,
    scope::{Holds, Scope},
    split::{Split, Subject},
};
#[cfg(feature = "shared")]
use super::{
    fleet::{Counts, Hand, Question, Role, Take},
    questions::{Asked, Failure, Member, Next},
};
use crate::extensions::Priority;
#[cfg(feature = "shared")]
use crate::store::StoreName;

/// The most requests that go until the next response although nothing is known of the limit.
const MAX_COLD: u32 = 16;

/// A store that is asked replies within this time, or is asked again.
#[cfg(feature = "shared")]
const ASKED_WITHIN: Duration = Duration::from_millis(250);

/// What all callers of one key share: its quota, and the queue for it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: KeyName,
    pub(super) quota: Quota,
    /// What this process has of a fleet's quota, if it shares it.
    #[cfg(feature = "shared")]
    pub(super) member: Option<Box<Member>>,
    pub(super) queue: Queue,
    pub(super) latencies: Latencies,
    reserve: Reserve,
    /// The requests since the last response that went although nothing was known of the limit.
    cold: u32,
    /// The limit and the end of the block for which the queue was last checked, and whether the permits to come were certain.
    checked: (Option<u64>, Option<Instant>, bool),
    /// The calls that hold the index of this slot: a slot with calls is not evicted.
    pub(super) users: usize,
    /// Used since the last sweep of the CLOCK eviction.
    pub(super) was_used: bool,
    pub(super) last_route: LastRoute,
    /// The routes of the buckets that responses have named.
    pub(super) routes: Option<Box<Routes>>,
    /// The name of the bucket that this is the slot of.
    pub(super) bucket: Option<Arc<str>>,
    pub(super) scope: Scope,
    pub(super) split: Split,
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
    #[cfg_attr(
        not(feature = "shared"),
        allow(dead_code, reason = "it names the slot to the store")
    )]
    pub(super) index: usize,
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
            #[cfg(feature = "shared")]
            member: None,
            queue: Queue::default(),
            latencies: Latencies::default(),
            reserve: Reserve::default(),
            cold: 0,
            checked: (None, None, false),
            users: 0,
            was_used: true,
            last_route: LastRoute::default(),
            routes: None,
            bucket: None,
            scope: Scope::default(),
            split: Split::default(),
            backlog: None,
            logged: None,
        }
    }

    /// Takes a permit if nothing is queued and there is one.
    #[inline]
    pub(super) fn acquire(&mut self, priority: Priority, now: Instant) -> Option<Permit> {
        self.reserve.on_request(priority, now);
        if !self.queue.is_empty() {
            return None;
        }
        if priority != Priority::High && self.reserved_until(now).is_some() {
            return None;
        }
        match self.take(now) {
            Availability::Now(permit) => Some(permit),
            Availability::At(_) | Availability::AfterResponse { .. } => None,
        }
    }

    /// Takes a permit: of the fleet if the quota is shared, else of the process' own quota.
    #[inline]
    fn take(&mut self, now: Instant) -> Availability {
        #[cfg(feature = "shared")]
        if let Some(member) = &mut self.member {
            if let Some(until) = self.quota.blocked_until().filter(|until| *until > now) {
                return Availability::At(until);
            }
            if let Some(until) = self.quota.capped_until(now) {
                return Availability::At(until);
            }
            let hand = &mut member.hand;
            let at = match hand.take(now) {
                Take::Now => return Availability::Now(self.quota.acquire_anyway(now)),
                Take::Own => return self.quota.acquire(now),
                Take::At(at) => Some(at),
                Take::None => None,
            };
            let due = hand.due(now, self.queue.len()).filter(|due| *due > now);
            let next = at.into_iter().chain(due).min();
            return Availability::At(next.unwrap_or_else(|| later(now, ASKED_WITHIN)));
        }
        self.quota.acquire(now)
    }

    /// Whether the permits are the fleet's.
    #[inline]
    fn is_shared(&self) -> bool {
        #[cfg(feature = "shared")]
        if let Some(member) = &self.member {
            return !member.hand.is_own();
        }
        false
    }

    /// The most permits until a moment, if that is certain. Of a fleet's it never is.
    fn max_permits_before(&self, moment: Instant, now: Instant) -> Option<u64> {
        if self.is_shared() { None } else { self.quota.max_permits_before(moment, now) }
    }

    /// Whether a queue would be of no use, because the server fails whatever is sent.
    fn is_down(&self, now: Instant) -> bool {
        !self.is_shared() && self.quota.is_down(now)
    }

    /// A permit that was given is not used.
    fn give_back(&mut self, permit: Permit, now: Instant) {
        #[cfg(feature = "shared")]
        if let Some(member) = self.member.as_mut().filter(|member| !member.hand.is_own()) {
            member.hand.put_back();
        }
        self.quota.on_unsent(permit, now);
    }

    /// The next question to the store.
    #[cfg(feature = "shared")]
    pub(super) fn next_question(
        &mut self,
        now: Instant,
        name: impl FnOnce(&str) -> StoreName,
    ) -> Next {
        let Some(member) = &mut self.member else { return Next::End };
        let hand = &mut member.hand;
        let queued = self.queue.len();
        let knowledge = self.quota.knowledge(now).filter(|_| hand.role() == Role::Learner);
        let due = if hand.knows(now, knowledge) { Some(now) } else { hand.due(now, queued) };
        match due {
            None => {
                member.end_task();
                Next::End
            }
            Some(at) if at > now => Next::At(at),
            Some(_) => {
                let ask = hand.ask(now, queued, knowledge);
                let question = Question::new(ask.clone(), hand.remembered());
                Next::Ask(Box::new(Asked { question, ask, name: name(self.name.shown()) }))
            }
        }
    }

    /// Until when what is left of a window is kept for high-priority requests.
    fn reserved_until(&self, now: Instant) -> Option<Instant> {
        if self.is_shared() {
            return None;
        }
        self.reserve.until(now, || self.quota.snapshot(now))
    }
}

// === impl SlotMut ===

impl SlotMut<'_> {
    pub(super) fn join(&mut self, patience: Patience, waker: &Waker) -> Position {
        let slot = &mut *self.slot;
        slot.reserve.on_request(patience.priority, self.now);
        let is_cold = slot.quota.is_unknown();
        let waker = waker.clone();
        let at = slot.queue.join(patience, self.now, is_cold, &slot.latencies, waker);
        self.asking = Some(at);
        let first = Backlog { since: self.now, requests: 0, is_logged: false };
        slot.backlog.get_or_insert(first).requests += 1;
        let next = self.serve();
        self.reject_hopeless(at);
        if let Some(backlog) = self.slot.backlog.as_mut().filter(|backlog| !backlog.is_logged) {
            backlog.is_logged = true;
            let wait = next.map(|next| next.saturating_duration_since(self.now));
            let key = Arc::clone(self.slot.name.shown());
            self.effects.emit(Event::Queued { key, wait });
        }
        at
    }

    /// Rejects a new request if those ahead use every permit that comes in time for it.
    fn reject_hopeless(&mut self, at: Position) {
        let Some((ahead, latest)) = self.slot.queue.ahead(at) else { return };
        let Some(permits) = self.slot.max_permits_before(latest, self.now) else { return };
        if ahead >= permits {
            self.reject(at, self.expected(ahead, permits, latest));
        }
    }

    /// When a request with so many ahead may have a permit, if there are so many permits until a moment.
    fn expected(&self, ahead: u64, permits: u64, until: Instant) -> TooLate {
        let each = until.saturating_duration_since(self.now).as_secs_f64() / permits.max(1) as f64;
        let wait = Duration::try_from_secs_f64(each * (ahead + 1) as f64).unwrap_or(Duration::MAX);
        let next = later(self.now, wait).max(until);
        let blocked = self.slot.quota.blocked_until();
        let next = Some(blocked.map_or(next, |blocked| next.max(blocked)));
        TooLate { next, ..TooLate::default() }
    }

    /// Forgets what is known of the limit.
    pub(super) fn forget(&mut self) {
        self.slot.quota.forget();
        self.slot.routes = None;
        self.slot.scope.forget();
        self.slot.split = Split::default();
        self.serve();
    }

    /// A permit for a queued request although nothing is left, if that shows whether the limit is one for all.
    pub(super) fn test(&mut self, at: Position, subject: Subject) -> Option<Permit> {
        let slot = &mut *self.slot;
        let until = slot.quota.stated_until(self.now)?;
        let is_wait = slot.quota.blocked_until().is_some_and(|until| until > self.now);
        let is_shared = slot.scope.holds == Holds::All;
        if slot.scope.is_configured
            || slot.is_shared()
            || slot.quota.capped_until(self.now).is_some()
            || !slot.split.test(subject, until, is_wait, is_shared, self.now)
        {
            return None;
        }
        self.effects.drop(slot.queue.leave(at)?);
        let permit = slot.quota.acquire_anyway(self.now);
        self.serve();
        Some(permit)
    }

    /// Notes what a response says of whose limit it is. Where it is not one for all, the queued requests are counted elsewhere from
    /// now on.
    pub(super) fn note(&mut self, subject: Option<Subject>, seen: &Observation) {
        if self.slot.split.on_response(subject, seen, self.now) {
            self.slot.quota.forget();
            self.wake_others(None);
            self.serve();
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

    /// The response to a request of this route.
    #[inline]
    pub(super) fn on_response(
        &mut self,
        permit: Permit,
        route: u64,
        seen: &Observation,
        is_logged: bool,
    ) {
        let took = self.now.saturating_duration_since(permit.sent());
        if !seen.is_rejection() {
            self.slot.latencies.on_accepted(route, took, self.now);
        }
        #[cfg(feature = "shared")]
        if let Some(member) = &mut self.slot.member {
            member.hand.on_response(permit.sent(), self.now, seen);
        }
        self.slot.quota.on_response_after(took, permit, self.now, seen);
        self.learned(is_logged);
    }

    /// The response to a request with a permit of another slot says that it was counted here.
    pub(super) fn on_counted_here(
        &mut self,
        sent: Instant,
        route: u64,
        seen: &Observation,
        is_logged: bool,
    ) {
        if !seen.is_rejection() {
            let took = self.now.saturating_duration_since(sent);
            self.slot.latencies.on_accepted(route, took, self.now);
        }
        #[cfg(feature = "shared")]
        if let Some(member) = &mut self.slot.member {
            member.hand.on_response(sent, self.now, seen);
        }
        self.slot.quota.on_response_elsewhere(sent, self.now, seen);
        self.learned(is_logged);
    }

    /// The response to a request with a permit of this slot says that it was counted elsewhere.
    pub(super) fn on_counted_elsewhere(&mut self, permit: Permit, seen: &Observation) {
        self.slot.cold = 0;
        if seen.is_rejection() {
            self.slot.quota.on_unsent(permit, self.now);
        } else {
            let accepted = Observation { readings: Default::default(), withholds: true, ..*seen };
            self.slot.quota.on_response(permit, self.now, &accepted);
        }
        self.serve();
    }

    pub(super) fn on_unsent(&mut self, permit: Permit) {
        self.slot.give_back(permit, self.now);
        self.serve();
    }

    pub(super) fn on_lost(&mut self, permit: Permit, route: u64) {
        let waited = self.now.saturating_duration_since(permit.sent());
        self.slot.latencies.on_lost(route, waited, self.now);
        self.slot.quota.on_lost(permit, self.now);
        self.serve();
    }

    pub(super) fn block_for(&mut self, wait: Duration) {
        self.slot.quota.block_for(wait, self.now);
        self.serve();
    }

    /// Wakes the requests of all routes but this one: they are queued elsewhere from now on.
    pub(super) fn wake_others(&mut self, route: Option<u64>) {
        for waker in self.slot.queue.wakers_of_others(route) {
            self.effects.wake(waker);
        }
    }

    fn hand_on(&mut self, permit: Permit) {
        // The permit that is handed on counts as taken.
        let only_high = self.slot.queue.has_high() && self.slot.reserved_until(self.now).is_some();
        let Slot { queue, latencies, .. } = &mut *self.slot;
        let mut unused = None;
        let mut rejected = Vec::new();
        let rejects = |at, waker| rejected.push((at, waker));
        match queue.admit_next(permit, only_high, self.now, latencies, rejects) {
            Ok(admitted) => self.wake(Some(admitted)),
            Err(permit) => unused = Some(permit),
        }
        if let Some(permit) = unused {
            self.slot.give_back(permit, self.now);
        }
        for waiter in rejected {
            self.wake(Some(waiter));
        }
    }

    fn reject(&mut self, at: Position, why: TooLate) {
        let waker = self.slot.queue.reject(at, why);
        self.wake(waker.map(|waker| (at, waker)));
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
        self.slot.cold = 0;
        if !self.slot.queue.is_empty() {
            self.serve();
            self.reject_surplus();
        } else {
            self.serve();
        }
    }

    /// Rejects the requests that a limit leaves no permit for in time, when it is learned or has changed.
    fn reject_surplus(&mut self) {
        let limit = self.slot.quota.snapshot(self.now).limit;
        let is_certain = self.slot.max_permits_before(self.now, self.now).is_some();
        let now = (limit, self.slot.quota.blocked_until(), is_certain);
        if mem::replace(&mut self.slot.checked, now) == now {
            return;
        }
        let slot = &*self.slot;
        let surplus = slot.queue.surplus(|moment| slot.max_permits_before(moment, self.now));
        for (at, ahead, latest) in surplus {
            let permits = self.slot.max_permits_before(latest, self.now);
            self.reject(at, self.expected(ahead, permits.unwrap_or(0), latest));
        }
    }

    /// Admits and rejects all requests that can be, and sets the timer for the others. Returns when the next permit comes, if that is
    /// known and a request waits for it.
    #[inline]
    fn serve(&mut self) -> Option<Instant> {
        #[cfg(feature = "shared")]
        self.ask_if_due();
        // On the fast path nothing is queued.
        if self.slot.backlog.is_none() && self.slot.queue.is_empty() {
            return None;
        }
        self.serve_queue()
    }

    /// A question to the store departs, if one is due.
    #[cfg(feature = "shared")]
    fn ask_if_due(&mut self) {
        let queued = self.slot.queue.len();
        let Some(member) = &mut self.slot.member else { return };
        let is_due = member.hand.due(self.now, queued).is_some_and(|due| due <= self.now);
        let is_learned = member.hand.role() == Role::Learner
            && member.hand.knows(self.now, self.slot.quota.knowledge(self.now));
        if (is_due || is_learned) && member.wants_task() {
            self.effects.ask(self.index);
        }
    }

    /// A question has ended, with this change. Returns what became of permits before.
    #[cfg(feature = "shared")]
    pub(super) fn on_answer(&mut self, change: impl FnOnce(&mut Hand), failure: Failure) -> Counts {
        let Some(member) = &mut self.slot.member else { return Counts::default() };
        let hand = &mut member.hand;
        let (counts, before) = (hand.take_counts(), (hand.is_alone(), hand.role()));
        change(hand);
        let (is_alone, role) = (hand.is_alone(), hand.role());
        let key = self.slot.name.shown();
        if is_alone && !before.0 {
            let Failure { reason, error } = failure;
            self.effects.emit(Event::StoreDown { key: Arc::clone(key), reason, error });
        }
        if before.0 && !is_alone {
            self.effects.emit(Event::StoreBack { key: Arc::clone(key) });
        }
        if role != before.1 {
            self.effects.emit(Event::Role { key: Arc::clone(key), role });
        }
        self.serve();
        counts
    }

    fn serve_queue(&mut self) -> Option<Instant> {
        let now = self.now;
        let is_cold = self.slot.quota.is_unknown() && !self.slot.is_shared();
        self.reject_late(now, TooLate { is_cold, ..TooLate::default() });
        let mut known = None;
        while !self.slot.queue.is_empty() {
            let reserved = self.slot.reserved_until(now).filter(|_| !self.slot.queue.has_high());
            if let Some(at) = reserved {
                let owner = self.slot.queue.set_timer(now, at, false);
                self.wake(owner);
                break;
            }
            let next = match self.slot.take(now) {
                Availability::Now(permit) => {
                    self.hand_on(permit);
                    continue;
                }
                Availability::At(at) => {
                    known = Some(at);
                    self.reject_late(at, TooLate { next: known, ..TooLate::default() });
                    at
                }
                Availability::AfterResponse { or_at } => or_at,
            };
            if self.slot.is_down(now) {
                while let Some(at) = self.slot.queue.any() {
                    self.reject(
                        at,
                        TooLate { next: Some(next), is_down: true, ..TooLate::default() },
                    );
                }
                break;
            }
            let is_cold = is_cold && self.slot.cold < MAX_COLD;
            if let Some(at) = self.slot.queue.due_cold(now).filter(|_| is_cold) {
                self.slot.cold += 1;
                let permit = self.slot.quota.acquire_anyway(now);
                match self.slot.queue.admit(at, permit) {
                    Ok(admitted) => self.wake(Some(admitted)),
                    Err(permit) => self.slot.quota.on_unsent(permit, now),
                }
                continue;
            }
            let owner = self.slot.queue.set_timer(now, next, is_cold);
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

    fn reject_late(&mut self, moment: Instant, why: TooLate) {
        while let Some(at) = {
            let Slot { queue, latencies, .. } = &mut *self.slot;
            queue.late_at(moment, self.now, latencies)
        } {
            self.reject(at, why);
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
