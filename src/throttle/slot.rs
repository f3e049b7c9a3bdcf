//! What all callers of one key share.

use std::{mem, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    effects::{After, Notice},
    name::Name,
    queue::{Called, Line, Seat},
    routes::Routes,
};
use crate::{
    extensions::Priority,
    throttle::limiter::{Answer, Kind, Quota, Ticket, Turn},
};

/// Callers come one after the other, and so do the ends of their waits. A turn that is free only because those before give up
/// in this part of the wait, a tenth, is not worth it.
const LAST_PART: u32 = 10;

/// What all callers of one key share: its quota, and the line of those who wait.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: Name,
    pub(super) quota: Quota,
    pub(super) line: Line,
    /// The calls that know this slot: none is left alone.
    pub(super) guests: usize,
    /// Used since the hand of the clock passed.
    pub(super) used: bool,
    /// Of the buckets that its answers have named.
    pub(super) routes: Option<Box<Routes>>,
    /// An answer has named none.
    pub(super) heard_of_no_bucket: bool,
    /// It is a bucket itself, of this name.
    pub(super) bucket: Option<Arc<str>>,
    held: Option<Held>,
    told: Option<(mem::Discriminant<Kind>, Option<u64>)>,
}

/// Requests are being held back.
#[derive(Debug)]
struct Held {
    since: Instant,
    requests: u64,
    is_told: bool,
}

// === impl Slot ===

impl Slot {
    pub(super) fn new(name: Name, quota: Quota) -> Self {
        let line = Line::default();
        Self {
            name,
            quota,
            line,
            guests: 0,
            used: true,
            routes: None,
            heard_of_no_bucket: false,
            bucket: None,
            held: None,
            told: None,
        }
    }

    /// Whether it matters on which route a request is: the server names buckets, or nothing was heard of it.
    #[inline]
    pub(super) const fn tells_routes_apart(&self) -> bool {
        self.routes.is_some() || !self.heard_of_no_bucket
    }

    /// A turn at once, if nobody waits and there is one.
    #[inline]
    pub(super) fn arrive(&mut self, now: Instant) -> Option<Ticket> {
        if !self.line.is_empty() {
            return None;
        }
        match self.quota.next_turn(now) {
            Turn::Now(ticket) => Some(ticket),
            Turn::At(_) | Turn::AfterAnswer { .. } => None,
        }
    }

    pub(super) fn join(
        &mut self,
        now: Instant,
        priority: Priority,
        end: Option<Instant>,
        waker: &std::task::Waker,
        after: &mut After,
    ) -> Seat {
        let seat = self.line.join(priority, end, waker.clone());
        after.is_asked_by(seat);
        let held = self.held.get_or_insert(Held { since: now, requests: 0, is_told: false });
        held.requests += 1;
        let next = self.serve(now, after);
        if let Some(end) = end {
            self.give_up(seat, end, now, after);
        }
        if let Some(held) = self.held.as_mut().filter(|held| !held.is_told) {
            held.is_told = true;
            let wait = next.map(|at| at.saturating_duration_since(now));
            after.log(Notice::Held { key: Arc::clone(self.name.shown()), wait });
        }
        seat
    }

    /// Calls a newcomer that waits in vain: those before it are as many as there can be turns until its time is over, and
    /// they stay until then, or nearly.
    fn give_up(&mut self, seat: Seat, end: Instant, now: Instant, after: &mut After) {
        let last_part = end.saturating_duration_since(now) / LAST_PART;
        let until = end.checked_sub(last_part).unwrap_or(end);
        let Some(turns) = self.quota.turns_before(end, now) else { return };
        if self.line.has_before(seat, turns, until) {
            after.wake(self.line.call_in_vain(seat, until));
        }
    }

    /// What the waiter is called for, if it is.
    pub(super) fn ask(&mut self, seat: Seat, now: Instant, after: &mut After) -> Option<Called> {
        after.is_asked_by(seat);
        if let Some(called) = self.line.take_call(seat) {
            return Some(called);
        }
        if !self.line.is_due(now) {
            return None;
        }
        self.serve(now, after);
        self.line.take_call(seat)
    }

    /// A waiter goes, called or not. A turn that it got goes to the next.
    pub(super) fn leave(&mut self, seat: Seat, now: Instant, after: &mut After) {
        match self.line.take_call(seat) {
            Some(Called::Turn(ticket)) => self.pass_on(ticket, now, after),
            Some(Called::TooLate(_)) => {}
            None => after.drop(self.line.leave(seat)),
        }
        self.serve(now, after);
    }

    /// A turn was not used: nothing was sent.
    pub(super) fn pass_on(&mut self, ticket: Ticket, now: Instant, after: &mut After) {
        match self.line.call_next(ticket) {
            Ok(called) => after.wake(Some(called)),
            Err(ticket) => self.quota.on_unsent(ticket, now),
        }
        self.serve(now, after);
    }

    /// With `is_told`, what is learnt from the answer is logged.
    #[inline]
    pub(super) fn answered(
        &mut self,
        ticket: Ticket,
        now: Instant,
        answer: &Answer,
        is_told: bool,
        after: &mut After,
    ) {
        self.quota.on_answer(ticket, now, answer);
        if is_told {
            self.tell(now, after);
        }
        self.serve(now, after);
    }

    /// The request never left: another may take its turn.
    pub(super) fn unsent(&mut self, ticket: Ticket, now: Instant, after: &mut After) {
        self.quota.on_unsent(ticket, now);
        self.serve(now, after);
    }

    /// It was counted elsewhere.
    pub(super) fn answered_elsewhere(
        &mut self,
        ticket: Ticket,
        now: Instant,
        answer: &Answer,
        after: &mut After,
    ) {
        if answer.refused {
            self.quota.on_unsent(ticket, now);
        } else {
            let accepted = Answer { readings: Default::default(), ..*answer };
            self.quota.on_answer(ticket, now, &accepted);
        }
        self.serve(now, after);
    }

    /// Nothing is taken for so long.
    pub(super) fn hold(&mut self, wait: Duration, now: Instant, after: &mut After) {
        self.quota.hold(wait, now);
        self.serve(now, after);
    }

    /// One that took its turn elsewhere was counted here.
    pub(super) fn counted(
        &mut self,
        sent: Instant,
        now: Instant,
        answer: &Answer,
        is_told: bool,
        after: &mut After,
    ) {
        self.quota.on_answer_elsewhere(sent, now, answer);
        if is_told {
            self.tell(now, after);
        }
        self.serve(now, after);
    }

    pub(super) fn lost(&mut self, ticket: Ticket, now: Instant, after: &mut After) {
        self.quota.on_lost(ticket, now);
        self.serve(now, after);
    }

    /// Calls all whose turn has come and all for whom it comes too late, and has one of the others watch the time. Returns
    /// when the next turn comes, where that is known and somebody waits for it.
    #[inline]
    fn serve(&mut self, now: Instant, after: &mut After) -> Option<Instant> {
        // Most often nobody waits.
        if self.held.is_none() && self.line.is_empty() {
            return None;
        }
        self.serve_line(now, after)
    }

    fn serve_line(&mut self, now: Instant, after: &mut After) -> Option<Instant> {
        while let late @ Some(_) = self.line.call_late(now, None) {
            after.wake(late);
        }
        let mut known = None;
        while !self.line.is_empty() {
            let next = match self.quota.next_turn(now) {
                Turn::Now(ticket) => {
                    match self.line.call_next(ticket) {
                        Ok(called) => after.wake(Some(called)),
                        Err(ticket) => self.quota.on_unsent(ticket, now),
                    }
                    continue;
                }
                Turn::At(at) => {
                    known = Some(at);
                    while let late @ Some(_) = self.line.call_late(at, known) {
                        after.wake(late);
                    }
                    at
                }
                Turn::AfterAnswer { or_at } => or_at,
            };
            // A moment that has passed would be watched for without end.
            let next = next.max(now.checked_add(Duration::from_millis(1)).unwrap_or(now));
            after.wake(self.line.set_watch(now, next));
            break;
        }
        if self.line.is_empty() {
            if let Some(Held { since, requests, is_told: true }) = self.held.take() {
                let held = now.saturating_duration_since(since);
                let key = Arc::clone(self.name.shown());
                after.log(Notice::Released { key, held, requests });
            }
        }
        known
    }

    /// Logs what the limit is, if it was not what it is.
    fn tell(&mut self, now: Instant, after: &mut After) {
        let snapshot = self.quota.snapshot(now);
        let found = Some((mem::discriminant(&snapshot.kind), snapshot.limit));
        let is_news = self.told != found && snapshot.limit.is_some();
        if is_news || matches!(snapshot.kind, Kind::Bucket { .. }) && self.told != found {
            let key = Arc::clone(self.name.shown());
            after.log(Notice::Learnt { key, kind: snapshot.kind, limit: snapshot.limit });
            self.told = found;
        }
    }
}
