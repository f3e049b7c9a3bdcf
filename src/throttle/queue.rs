//! Who waits for a turn of one quota, and who is next.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    task::Waker,
};

use tokio::time::Instant;

use crate::{extensions::Priority, throttle::limiter::Ticket};

/// The priorities there are.
const CLASSES: usize = 3;

/// Every so many turns that are given while several priorities wait, one goes to whoever has waited longest.
const OLDEST_EVERY: u32 = 4;

/// Those who wait for a turn, in the order of their priorities and of their coming.
///
/// One of them, the *watchman*, has a timer; the others sleep until they are called.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// The highest priority first.
    classes: [BTreeMap<u64, Waiter>; CLASSES],
    ends: BTreeSet<(Instant, u64)>,
    called: BTreeMap<u64, Called>,
    arrivals: u64,
    turns: u32,
    watchman: Option<(Seat, Instant)>,
}

/// A place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    number: u64,
    class: usize,
}

/// What a waiter is called for.
#[derive(Debug)]
pub(super) enum Called {
    /// It may send.
    Turn(Ticket),
    /// Its time is over, or its turn is known to come after that: at this moment, if that is known.
    TooLate(Option<Instant>),
}

#[derive(Debug)]
struct Waiter {
    waker: Waker,
    end: Option<Instant>,
}

// === impl Line ===

impl Line {
    pub(super) fn len(&self) -> usize {
        self.classes.iter().map(BTreeMap::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.classes.iter().all(BTreeMap::is_empty)
    }

    pub(super) fn join(&mut self, priority: Priority, end: Option<Instant>, waker: Waker) -> Seat {
        let class = match priority {
            Priority::High => 0,
            Priority::Normal => 1,
            Priority::Low => 2,
        };
        let number = self.arrivals;
        self.arrivals += 1;
        self.classes[class].insert(number, Waiter { waker, end });
        self.ends.extend(end.map(|end| (end, number)));
        Seat { number, class }
    }

    /// Whom to wake from now on. Gives the waker back that is not needed any more.
    pub(super) fn replace_waker(&mut self, seat: Seat, waker: &Waker) -> Option<Waker> {
        let waiter = self.classes[seat.class].get_mut(&seat.number)?;
        if waiter.waker.will_wake(waker) {
            return None;
        }
        Some(mem::replace(&mut waiter.waker, waker.clone()))
    }

    /// What the waiter was called for, if it was.
    pub(super) fn take_call(&mut self, seat: Seat) -> Option<Called> {
        self.called.remove(&seat.number)
    }

    /// Takes a waiter out that was not called.
    pub(super) fn leave(&mut self, seat: Seat) -> Option<Waker> {
        let waiter = self.classes[seat.class].remove(&seat.number)?;
        if let Some(end) = waiter.end {
            self.ends.remove(&(end, seat.number));
        }
        if self.watchman.is_some_and(|(watchman, _)| watchman == seat) {
            self.watchman = None;
        }
        Some(waiter.waker)
    }

    /// Calls the next for its turn.
    pub(super) fn call_next(&mut self, ticket: Ticket) -> Result<(Seat, Waker), Ticket> {
        let Some(seat) = self.next() else { return Err(ticket) };
        let Some(waker) = self.leave(seat) else { return Err(ticket) };
        self.called.insert(seat.number, Called::Turn(ticket));
        Ok((seat, waker))
    }

    /// Calls one whose time is over at `moment`, if there is one: it cannot have its turn before `next`.
    pub(super) fn call_late(
        &mut self,
        moment: Instant,
        next: Option<Instant>,
    ) -> Option<(Seat, Waker)> {
        let (_, number) = *self.ends.first().filter(|(end, _)| *end <= moment)?;
        let class = self.classes.iter().position(|class| class.contains_key(&number))?;
        let seat = Seat { number, class };
        let waker = self.leave(seat)?;
        self.called.insert(number, Called::TooLate(next));
        Some((seat, waker))
    }

    /// Whether at least so many of those before it in its own priority will wait until that moment, if they get no turn.
    ///
    /// Those of other priorities do not count: who of them comes first is only known in the end. Only the last ones of a line
    /// that is far too long are looked at, since they wait longest.
    pub(super) fn has_before(&self, seat: Seat, turns: u64, until: Instant) -> bool {
        let class = &self.classes[seat.class];
        let Ok(turns) = usize::try_from(turns) else { return false };
        if class.len() <= turns || !class.contains_key(&seat.number) {
            return false;
        }
        let before = class.range(..seat.number).rev().take(turns.saturating_mul(2));
        let stay = before.filter(|(_, waiter)| waiter.end.is_none_or(|end| end >= until));
        stay.take(turns).count() == turns
    }

    /// Calls a waiter that cannot have its turn before `until`.
    pub(super) fn call_in_vain(&mut self, seat: Seat, until: Instant) -> Option<(Seat, Waker)> {
        let waker = self.leave(seat)?;
        self.called.insert(seat.number, Called::TooLate(Some(until)));
        Some((seat, waker))
    }

    /// Until when the waiter at this seat has to watch the time.
    pub(super) fn watch_of(&self, seat: Seat) -> Option<Instant> {
        self.watchman.filter(|(watchman, _)| *watchman == seat).map(|(_, until)| until)
    }

    /// Whether it is time to ask for a turn again.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.watchman.is_none_or(|(_, until)| until <= now)
    }

    /// Has somebody watch the time until the next turn, or until the first who waits has to give up. Returns who has to be
    /// told.
    pub(super) fn set_watch(&mut self, now: Instant, next: Instant) -> Option<(Seat, Waker)> {
        let until = self.ends.first().map_or(next, |(end, _)| next.min(*end));
        match self.watchman {
            // Woken too early, it looks again. That costs less than to wake it now.
            Some((_, watched)) if now < watched && watched <= until => None,
            Some((watchman, _)) => self.appoint(watchman, until),
            None => self.appoint(self.oldest()?, until),
        }
    }

    fn appoint(&mut self, seat: Seat, until: Instant) -> Option<(Seat, Waker)> {
        self.watchman = Some((seat, until));
        let waiter = self.classes[seat.class].get(&seat.number)?;
        Some((seat, waiter.waker.clone()))
    }

    fn next(&mut self) -> Option<Seat> {
        let highest = self.firsts().next()?;
        if self.firsts().nth(1).is_none() {
            return Some(highest);
        }
        self.turns = (self.turns + 1) % OLDEST_EVERY;
        if self.turns == 0 { self.oldest() } else { Some(highest) }
    }

    fn oldest(&self) -> Option<Seat> {
        self.firsts().min_by_key(|seat| seat.number)
    }

    /// The first of each priority that waits, the highest first.
    fn firsts(&self) -> impl Iterator<Item = Seat> {
        self.classes.iter().enumerate().filter_map(|(class, waiters)| {
            let (number, _) = waiters.first_key_value()?;
            Some(Seat { number: *number, class })
        })
    }
}
