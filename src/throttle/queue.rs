//! The requests that wait for a permit of one quota, and their order.

use std::{
    collections::{BTreeSet, HashMap},
    mem,
    task::Waker,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    lane::Lane,
    latency::{Latencies, Outlook},
    limiter::Permit,
};
use crate::extensions::Priority;

const PRIORITIES: usize = 3;

/// While several priorities are queued, every fourth permit goes to the request that has waited longest.
const OLDEST_EVERY: u32 = 4;

/// Waiters are counted by the time at which they give up, to this resolution.
const TICK: Duration = Duration::from_millis(250);

/// The requests that wait for a permit: the highest priority first, and within a priority the earliest deadline that can be met.
///
/// A request whose caller may be gone before the response comes is *late*: it gets a permit if no other request wants it. One of all
/// requests, the *timer owner*, has a timer; the others sleep until they are notified.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiters: HashMap<u64, Waiter>,
    /// The highest priority first.
    lanes: [Lane; PRIORITIES],
    /// When a request goes although nothing is known of the limit.
    cold: BTreeSet<(Instant, u64)>,
    notified: HashMap<u64, Notified>,
    arrivals: u64,
    /// Permits given while several priorities were queued.
    permits: u32,
    timer: Option<(u64, Instant)>,
    /// The beginning of the ticks.
    epoch: Option<Instant>,
}

/// A position in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position(u64);

/// How long a request can wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) priority: Priority,
    /// The end of the longest wait.
    pub(super) until: Instant,
    /// When its caller gives up.
    pub(super) deadline: Option<Instant>,
    /// Its route, by whose response times it is judged.
    pub(super) route: u64,
}

/// Why a request has left the queue.
#[derive(Debug)]
pub(super) enum Notified {
    Permit(Permit),
    TooLate(TooLate),
}

/// No permit comes in time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TooLate {
    /// When one may come, if that is known.
    pub(super) next: Option<Instant>,
    /// Whether nothing is known of the limit, because no response has come yet.
    pub(super) is_cold: bool,
    /// Whether the server fails whatever is sent.
    pub(super) is_down: bool,
}

#[derive(Debug)]
struct Waiter {
    waker: Waker,
    since: Instant,
    patience: Patience,
    lane: usize,
    /// A permit after this moment comes too late.
    latest: Instant,
    is_late: bool,
    cold: Option<Instant>,
}

/// A request that a permit could go to.
enum Next {
    Ready(u64),
    Hopeless(u64),
}

// === impl Queue ===

impl Queue {
    #[cfg(feature = "shared")]
    pub(super) fn len(&self) -> usize {
        self.waiters.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// The number of requests of each priority, and since when the first has waited; the highest priority first.
    pub(super) fn lengths(&self) -> [(usize, Option<Instant>); PRIORITIES] {
        let mut lengths = [(0, None); PRIORITIES];
        for waiter in self.waiters.values() {
            let (len, since) = &mut lengths[waiter.lane];
            *len += 1;
            *since = Some(since.map_or(waiter.since, |known: Instant| known.min(waiter.since)));
        }
        lengths
    }

    /// Adds a request at `now`. While nothing is known of the limit, it goes at half of its time at the latest.
    pub(super) fn join(
        &mut self,
        patience: Patience,
        now: Instant,
        is_cold: bool,
        latencies: &Latencies,
        waker: Waker,
    ) -> Position {
        let lane = lane_of(patience.priority);
        let number = self.arrivals;
        self.arrivals += 1;
        let latest = patience.latest(now, latencies);
        let cold = is_cold.then(|| now + patience.end().saturating_duration_since(now) / 2);
        self.cold.extend(cold.map(|at| (at, number)));
        self.epoch.get_or_insert(now);
        let tick = self.tick(latest);
        self.lanes[lane].insert((latest, number), tick, false);
        let waiter = Waiter { waker, since: now, patience, lane, latest, is_late: false, cold };
        self.waiters.insert(number, waiter);
        Position(number)
    }

    pub(super) fn wakers_of_others(&self, route: Option<u64>) -> impl Iterator<Item = Waker> {
        let others =
            self.waiters.values().filter(move |waiter| Some(waiter.patience.route) != route);
        others.map(|waiter| waiter.waker.clone())
    }

    /// Returns the waker that is no longer needed.
    pub(super) fn replace_waker(&mut self, at: Position, waker: &Waker) -> Option<Waker> {
        let waiter = self.waiters.get_mut(&at.0)?;
        if waiter.waker.will_wake(waker) {
            return None;
        }
        Some(mem::replace(&mut waiter.waker, waker.clone()))
    }

    pub(super) fn was_notified(&self, at: Position) -> bool {
        self.notified.contains_key(&at.0)
    }

    pub(super) fn take_notified(&mut self, at: Position) -> Option<Notified> {
        self.notified.remove(&at.0)
    }

    /// Removes a request that was not notified.
    pub(super) fn leave(&mut self, at: Position) -> Option<Waker> {
        let waiter = self.waiters.remove(&at.0)?;
        let tick = self.tick(waiter.latest);
        self.lanes[waiter.lane].remove((waiter.latest, at.0), tick, waiter.is_late);
        if let Some(cold) = waiter.cold {
            self.cold.remove(&(cold, at.0));
        }
        if self.timer.is_some_and(|(owner, _)| owner == at.0) {
            self.timer = None;
        }
        Some(waiter.waker)
    }

    /// Whether a request of the highest priority is queued.
    pub(super) fn has_high(&self) -> bool {
        !self.lanes[0].ticks.is_empty()
    }

    /// Gives the permit to the next request, or back. `rejected` gets the requests that it comes too late for.
    pub(super) fn admit_next(
        &mut self,
        permit: Permit,
        only_high: bool,
        now: Instant,
        latencies: &mut Latencies,
        mut rejected: impl FnMut(Position, Waker),
    ) -> Result<(Position, Waker), Permit> {
        loop {
            match self.next(now, only_high, latencies) {
                None => return Err(permit),
                Some(Next::Ready(number)) => {
                    let Some(waiter) = self.waiters.get(&number) else { return Err(permit) };
                    latencies.on_sent(waiter.patience.route, now);
                    return self.admit(Position(number), permit);
                }
                Some(Next::Hopeless(number)) => {
                    let at = Position(number);
                    if let Some(waker) = self.reject(at, TooLate::default()) {
                        rejected(at, waker);
                    }
                }
            }
        }
    }

    /// Gives the permit to this request.
    pub(super) fn admit(
        &mut self,
        at: Position,
        permit: Permit,
    ) -> Result<(Position, Waker), Permit> {
        let Some(waker) = self.leave(at) else { return Err(permit) };
        self.notified.insert(at.0, Notified::Permit(permit));
        Ok((at, waker))
    }

    /// Rejects a request: no permit comes in time.
    pub(super) fn reject(&mut self, at: Position, why: TooLate) -> Option<Waker> {
        let waker = self.leave(at)?;
        self.notified.insert(at.0, Notified::TooLate(why));
        Some(waker)
    }

    /// Any of the requests.
    pub(super) fn any(&self) -> Option<Position> {
        self.first().map(|(_, number)| Position(number))
    }

    /// A request for which a permit at `moment` comes too late.
    pub(super) fn late_at(
        &mut self,
        moment: Instant,
        now: Instant,
        latencies: &Latencies,
    ) -> Option<Position> {
        while let Some((latest, number)) = self.first().filter(|(latest, _)| *latest <= moment) {
            let waiter = self.waiters.get(&number)?;
            let now_latest = waiter.patience.latest(now, latencies);
            if now_latest <= moment || now_latest <= latest {
                return Some(Position(number));
            }
            // Responses have become faster since it joined.
            self.rekey(number, now_latest);
        }
        None
    }

    /// A request that goes at `now` although nothing is known of the limit.
    pub(super) fn due_cold(&self, now: Instant) -> Option<Position> {
        self.cold.first().filter(|(at, _)| *at <= now).map(|(_, number)| Position(*number))
    }

    /// How many requests of its priority come before this one, and the latest moment at which a permit is of use to it.
    pub(super) fn ahead(&self, at: Position) -> Option<(u64, Instant)> {
        let waiter = self.waiters.get(&at.0)?;
        let ticks = self.lanes[waiter.lane].ticks.range(..=self.tick(waiter.latest));
        Some((ticks.map(|(_, count)| count).sum::<u64>().saturating_sub(1), waiter.latest))
    }

    /// The requests that come too late if there are only so many permits until a moment: the last of each tick that has too many
    /// before it and in it. Each with the number before it.
    pub(super) fn surplus(
        &self,
        mut permits_before: impl FnMut(Instant) -> Option<u64>,
    ) -> Vec<(Position, u64, Instant)> {
        let mut surplus = Vec::new();
        let Some(epoch) = self.epoch else { return surplus };
        for lane in &self.lanes {
            let mut before = 0;
            for (tick, count) in &lane.ticks {
                let end =
                    later(epoch, TICK.saturating_mul(u32::try_from(tick + 1).unwrap_or(u32::MAX)));
                let Some(permits) = permits_before(end) else { break };
                let fits = permits.saturating_sub(before).min(*count);
                let start = end - TICK;
                let all = lane.on_time.range((start, 0)..(end, 0));
                let newest = all.rev().take(usize::try_from(count - fits).unwrap_or(usize::MAX));
                for (rank, (latest, number)) in newest.enumerate() {
                    surplus.push((Position(*number), before + count - 1 - rank as u64, *latest));
                }
                before += fits;
            }
        }
        surplus
    }

    /// The moment of the timer, if this request owns it.
    pub(super) fn timer_of(&self, at: Position) -> Option<Instant> {
        self.timer.filter(|(owner, _)| *owner == at.0).map(|(_, until)| until)
    }

    /// Whether it is time to ask for a permit again.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.timer.is_none_or(|(_, until)| until <= now)
    }

    /// Sets the timer to `next`, or to the moment at which the first request gives up or, with `is_cold`, goes anyway. Returns its
    /// owner if it must be woken.
    pub(super) fn set_timer(
        &mut self,
        now: Instant,
        next: Instant,
        is_cold: bool,
    ) -> Option<(Position, Waker)> {
        let until = self.first().map_or(next, |(latest, _)| next.min(latest));
        let cold = self.cold.first().filter(|_| is_cold);
        let until = cold.map_or(until, |(at, _)| until.min(*at));
        // A timer in the past would fire without end.
        let until = until.max(later(now, Duration::from_millis(1)));
        let owner = match self.timer {
            // To be woken too early and to look again costs less than to be woken now.
            Some((_, set)) if now < set && set <= until => return None,
            Some((owner, _)) => owner,
            None => self.first()?.1,
        };
        self.timer = Some((owner, until));
        let waiter = self.waiters.get(&owner)?;
        Some((Position(owner), waiter.waker.clone()))
    }

    fn next(&mut self, now: Instant, only_high: bool, latencies: &Latencies) -> Option<Next> {
        self.set_late_aside(now, latencies);
        let lanes = if only_high { &self.lanes[..1] } else { &self.lanes[..] };
        let mut heads = lanes.iter().filter_map(|lane| lane.on_time.first().map(|head| head.1));
        if let Some(highest) = heads.next() {
            let Some(oldest) = heads.min() else { return Some(Next::Ready(highest)) };
            self.permits = (self.permits + 1) % OLDEST_EVERY;
            let is_for_oldest = self.permits == 0;
            return Some(Next::Ready(if is_for_oldest { oldest.min(highest) } else { highest }));
        }
        // Of the callers that may be gone before the response comes, the one with the most time left.
        let last = |lane: &Lane| lane.late.last().map(|(_, number)| *number);
        let number = lanes.iter().find_map(last)?;
        let patience = self.waiters.get(&number)?.patience;
        Some(match patience.outlook(now, latencies) {
            Outlook::Hopeless => Next::Hopeless(number),
            Outlook::Safe | Outlook::Doubtful => Next::Ready(number),
        })
    }

    /// Sets the requests at the head of each priority aside whose callers may be gone before the response comes.
    fn set_late_aside(&mut self, now: Instant, latencies: &Latencies) {
        for lane in &mut self.lanes {
            while let Some(&(latest, number)) = lane.on_time.first() {
                let Some(waiter) = self.waiters.get_mut(&number) else { break };
                if waiter.patience.outlook(now, latencies) == Outlook::Safe {
                    break;
                }
                waiter.is_late = true;
                lane.set_aside((latest, number));
            }
        }
    }

    fn rekey(&mut self, number: u64, latest: Instant) {
        let Some(mut waiter) = self.waiters.remove(&number) else { return };
        let (old, new) = (self.tick(waiter.latest), self.tick(latest));
        let lane = &mut self.lanes[waiter.lane];
        lane.remove((waiter.latest, number), old, waiter.is_late);
        lane.insert((latest, number), new, waiter.is_late);
        waiter.latest = latest;
        self.waiters.insert(number, waiter);
    }

    /// The request that gives up first.
    fn first(&self) -> Option<(Instant, u64)> {
        self.lanes.iter().filter_map(Lane::first).min()
    }

    fn tick(&self, moment: Instant) -> u64 {
        let since =
            self.epoch.map_or(Duration::ZERO, |epoch| moment.saturating_duration_since(epoch));
        u64::try_from(since.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX)
    }
}

// === impl Patience ===

impl Patience {
    /// When the request must have been sent, or its caller has given up.
    pub(super) fn end(&self) -> Instant {
        self.deadline.map_or(self.until, |deadline| deadline.min(self.until))
    }

    /// The moment after which a permit comes too late.
    fn latest(&self, now: Instant, latencies: &Latencies) -> Instant {
        let Some(deadline) = self.deadline else { return self.until };
        let last = deadline.checked_sub(latencies.fastest(self.route, now)).unwrap_or(deadline);
        last.min(self.until)
    }

    fn outlook(&self, now: Instant, latencies: &Latencies) -> Outlook {
        if self.end() <= now {
            return Outlook::Hopeless;
        }
        let Some(deadline) = self.deadline else { return Outlook::Safe };
        latencies.outlook(self.route, deadline.saturating_duration_since(now), now)
    }
}

/// The highest priority comes first.
pub(super) const fn lane_of(priority: Priority) -> usize {
    match priority {
        Priority::High => 0,
        Priority::Normal => 1,
        Priority::Low => 2,
    }
}

/// `moment + span`, saturating.
pub(super) fn later(moment: Instant, span: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(1 << 31);
    moment.checked_add(span.min(FAR)).unwrap_or(moment)
}
