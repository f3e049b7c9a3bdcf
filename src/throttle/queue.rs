//! The requests that wait for a permit of one quota, and their order.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    task::Waker,
};

use tokio::time::Instant;

use super::limiter::Permit;
use crate::extensions::Priority;

const PRIORITIES: usize = 3;

/// While several priorities are queued, every fourth permit goes to the request that has waited longest.
const OLDEST_EVERY: u32 = 4;

/// The requests that wait for a permit, by priority and then by arrival.
///
/// One of them, the *timer owner*, has a timer; the others sleep until they are notified.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// The highest priority first.
    waiting: [BTreeMap<u64, Waiter>; PRIORITIES],
    deadlines: BTreeSet<(Instant, u64)>,
    notified: BTreeMap<u64, Notified>,
    arrivals: u64,
    /// Permits given while several priorities were queued.
    permits: u32,
    timer: Option<(Position, Instant)>,
}

/// A position in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    number: u64,
    priority: usize,
}

/// Why a request has left the queue.
#[derive(Debug)]
pub(super) enum Notified {
    Permit(Permit),
    /// No permit comes before its deadline: the next one comes at this moment, if that is known.
    TooLate(Option<Instant>),
}

#[derive(Debug)]
struct Waiter {
    waker: Waker,
    deadline: Option<Instant>,
}

// === impl Queue ===

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.waiting.iter().map(BTreeMap::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.iter().all(BTreeMap::is_empty)
    }

    pub(super) fn join(
        &mut self,
        priority: Priority,
        deadline: Option<Instant>,
        waker: Waker,
    ) -> Position {
        let priority = match priority {
            Priority::High => 0,
            Priority::Normal => 1,
            Priority::Low => 2,
        };
        let number = self.arrivals;
        self.arrivals += 1;
        self.waiting[priority].insert(number, Waiter { waker, deadline });
        self.deadlines.extend(deadline.map(|deadline| (deadline, number)));
        Position { number, priority }
    }

    /// Returns the waker that is no longer needed.
    pub(super) fn replace_waker(&mut self, at: Position, waker: &Waker) -> Option<Waker> {
        let waiter = self.waiting[at.priority].get_mut(&at.number)?;
        if waiter.waker.will_wake(waker) {
            return None;
        }
        Some(mem::replace(&mut waiter.waker, waker.clone()))
    }

    pub(super) fn take_notified(&mut self, at: Position) -> Option<Notified> {
        self.notified.remove(&at.number)
    }

    /// Removes a request that was not notified.
    pub(super) fn leave(&mut self, at: Position) -> Option<Waker> {
        let waiter = self.waiting[at.priority].remove(&at.number)?;
        if let Some(deadline) = waiter.deadline {
            self.deadlines.remove(&(deadline, at.number));
        }
        if self.timer.is_some_and(|(owner, _)| owner == at) {
            self.timer = None;
        }
        Some(waiter.waker)
    }

    /// Gives the permit to the next request, or back.
    pub(super) fn admit_next(&mut self, permit: Permit) -> Result<(Position, Waker), Permit> {
        let Some(at) = self.next() else { return Err(permit) };
        let Some(waker) = self.leave(at) else { return Err(permit) };
        self.notified.insert(at.number, Notified::Permit(permit));
        Ok((at, waker))
    }

    /// Rejects one request whose deadline is not after `moment`: no permit comes before `next`.
    pub(super) fn reject_late(
        &mut self,
        moment: Instant,
        next: Option<Instant>,
    ) -> Option<(Position, Waker)> {
        let (_, number) = *self.deadlines.first().filter(|(deadline, _)| *deadline <= moment)?;
        let priority = self.waiting.iter().position(|waiting| waiting.contains_key(&number))?;
        self.reject(Position { number, priority }, next)
    }

    /// Rejects a request: no permit comes before `next`.
    pub(super) fn reject(
        &mut self,
        at: Position,
        next: Option<Instant>,
    ) -> Option<(Position, Waker)> {
        let waker = self.leave(at)?;
        self.notified.insert(at.number, Notified::TooLate(next));
        Some((at, waker))
    }

    /// Whether `permits` requests of its priority are ahead that would wait until `moment`.
    ///
    /// Requests of other priorities do not count, because their order is not known in advance. In a queue that is far too long only
    /// the last requests are examined, since they wait longest.
    pub(super) fn has_ahead(&self, at: Position, permits: u64, moment: Instant) -> bool {
        let waiting = &self.waiting[at.priority];
        let Ok(permits) = usize::try_from(permits) else { return false };
        if waiting.len() <= permits || !waiting.contains_key(&at.number) {
            return false;
        }
        let ahead = waiting.range(..at.number).rev().take(permits.saturating_mul(2));
        let stay =
            ahead.filter(|(_, waiter)| waiter.deadline.is_none_or(|deadline| deadline >= moment));
        stay.take(permits).count() == permits
    }

    /// The moment of the timer, if this request owns it.
    pub(super) fn timer_of(&self, at: Position) -> Option<Instant> {
        self.timer.filter(|(owner, _)| *owner == at).map(|(_, until)| until)
    }

    /// Whether it is time to ask for a permit again.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.timer.is_none_or(|(_, until)| until <= now)
    }

    /// Sets the timer to `next` or to the first deadline, whichever comes first. Returns its owner if it must be woken.
    pub(super) fn set_timer(&mut self, now: Instant, next: Instant) -> Option<(Position, Waker)> {
        let until = self.deadlines.first().map_or(next, |(deadline, _)| next.min(*deadline));
        let owner = match self.timer {
            // To be woken too early and to look again costs less than to be woken now.
            Some((_, set)) if now < set && set <= until => return None,
            Some((owner, _)) => owner,
            None => self.oldest()?,
        };
        self.timer = Some((owner, until));
        let waiter = self.waiting[owner.priority].get(&owner.number)?;
        Some((owner, waiter.waker.clone()))
    }

    fn next(&mut self) -> Option<Position> {
        let highest = self.heads().next()?;
        if self.heads().nth(1).is_none() {
            return Some(highest);
        }
        self.permits = (self.permits + 1) % OLDEST_EVERY;
        if self.permits == 0 { self.oldest() } else { Some(highest) }
    }

    fn oldest(&self) -> Option<Position> {
        self.heads().min_by_key(|at| at.number)
    }

    /// The first request of each priority, the highest priority first.
    fn heads(&self) -> impl Iterator<Item = Position> {
        self.waiting.iter().enumerate().filter_map(|(priority, waiting)| {
            let (number, _) = waiting.first_key_value()?;
            Some(Position { number: *number, priority })
        })
    }
}
