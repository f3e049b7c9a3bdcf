//! The requests whose answers are not here yet.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::later;

/// A request that has had no answer for so long is given up for lost.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(120);

/// A request that has had no answer for so long *hangs*: nobody waits for it alone any more.
///
/// Few answers take longer, and a refusal takes no time at all; a caller who waits in vain does not notice much less. It does not
/// grow with slow answers, so that an endpoint which takes three seconds for each comes to its full concurrency as well.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// A lost request may still arrive at the server for so long after it was sent.
const DOUBT: Duration = Duration::from_millis(500);

/// More than this many are not watched; the oldest are given up for lost.
const MAX: usize = 1 << 16;

/// Leave to send one request, to be handed back with what became of it.
#[derive(Debug)]
#[must_use = "a request that is not reported counts as out until it is forgotten"]
pub struct Ticket {
    number: u64,
    sent: Instant,
}

/// The requests that are out: sent, and not known to be counted by the server or not.
///
/// A lost one (dropped, timed out) stays *in doubt* for a while: it may have been counted, and the next answers will show it.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    /// From the oldest that is out on; `None` for those that are back.
    tickets: VecDeque<Option<Instant>>,
    /// The number of the first of them.
    first: u64,
    out: u64,
    hanging: Oldest,
    /// Hanging, and counted by the server long ago, or never: in what was heard since they are in.
    settled: Oldest,
    doubts: VecDeque<Instant>,
}

/// Those of the requests that are out which are the oldest.
#[derive(Debug, Default)]
struct Oldest {
    /// Their numbers are below this one.
    end: u64,
    count: u64,
}

// === impl Ticket ===

impl Ticket {
    /// When the turn was taken.
    #[must_use]
    pub const fn sent(&self) -> Instant {
        self.sent
    }
}

// === impl InFlight ===

impl InFlight {
    #[inline]
    pub(super) fn take(&mut self, now: Instant) -> Ticket {
        if self.tickets.len() >= MAX {
            self.pop_lost();
        }
        let number = self.first.wrapping_add(self.tickets.len() as u64);
        self.tickets.push_back(Some(now));
        self.out += 1;
        Ticket { number, sent: now }
    }

    /// It is back. What was in doubt or hung long before it left is known now.
    #[inline]
    pub(super) fn answered(&mut self, ticket: &Ticket) {
        let Ticket { number, sent } = *ticket;
        self.settle(number);
        Self::advance(&mut self.settled, &self.tickets, self.first, sent);
        while self.doubts.front().is_some_and(|doubt| later(*doubt, DOUBT) < sent) {
            self.doubts.pop_front();
        }
    }

    pub(super) fn lost(&mut self, ticket: &Ticket) {
        let Ticket { number, sent } = *ticket;
        if self.settle(number) {
            self.doubt(sent);
        }
    }

    /// It never left.
    pub(super) fn unsent(&mut self, ticket: &Ticket) {
        self.settle(ticket.number);
    }

    /// Those that the server may yet count.
    #[inline]
    pub(super) fn count(&self) -> u64 {
        self.out - self.settled.count + self.doubts.len() as u64
    }

    /// Those of which something may be heard soon.
    #[inline]
    pub(super) fn awaited(&self) -> u64 {
        self.out - self.hanging.count + self.doubts.len() as u64
    }

    /// Those that have had no answer for too long.
    pub(super) const fn hanging(&self) -> u64 {
        self.hanging.count
    }

    /// Those of them that the server has counted long ago, or never.
    pub(super) const fn settled(&self) -> u64 {
        self.settled.count
    }

    /// What was counted before now counts no more: neither do those that hang.
    pub(super) fn turn_over(&mut self, now: Instant) {
        Self::advance(&mut self.settled, &self.tickets, self.first, now);
    }

    /// Gives up those that have been out too long, and says when there is next something to give up.
    #[inline]
    pub(super) fn expire(&mut self, now: Instant) {
        while self
            .tickets
            .front()
            .is_some_and(|sent| sent.is_none_or(|sent| later(sent, FORGOTTEN_AFTER) <= now))
        {
            self.pop_lost();
        }
        while self.doubts.front().is_some_and(|sent| later(*sent, DOUBT) <= now) {
            self.doubts.pop_front();
        }
        Self::advance(&mut self.hanging, &self.tickets, self.first, now);
    }

    /// When something is given up next, if nothing is heard until then.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let doubt = self.doubts.front().map(|sent| later(*sent, DOUBT));
        let sent = |at: usize| self.tickets.get(at).copied().flatten();
        let hangs = sent(self.hanging.place(self.first)).map(|sent| later(sent, PATIENCE));
        let ticket = sent(0).map(|sent| later(sent, FORGOTTEN_AFTER));
        doubt.into_iter().chain(hangs).chain(ticket).min()
    }

    /// Counts those in that hang at this time.
    fn advance(
        oldest: &mut Oldest,
        tickets: &VecDeque<Option<Instant>>,
        first: u64,
        time: Instant,
    ) {
        while let Some(ticket) = tickets.get(oldest.place(first)) {
            match ticket {
                Some(sent) if later(*sent, PATIENCE) > time => break,
                ticket => oldest.count += u64::from(ticket.is_some()),
            }
            oldest.end = oldest.end.max(first).wrapping_add(1);
        }
    }

    /// Whether this was out until now.
    #[inline]
    fn settle(&mut self, number: u64) -> bool {
        let at = usize::try_from(number.wrapping_sub(self.first)).unwrap_or(usize::MAX);
        let was_out = self.tickets.get_mut(at).and_then(Option::take).is_some();
        if was_out {
            self.is_back(number);
        }
        while let Some(None) = self.tickets.front() {
            self.tickets.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        was_out
    }

    fn pop_lost(&mut self) {
        if let Some(ticket) = self.tickets.pop_front() {
            if let Some(sent) = ticket {
                self.is_back(self.first);
                self.doubt(sent);
            }
            self.first = self.first.wrapping_add(1);
        }
    }

    #[inline]
    fn is_back(&mut self, number: u64) {
        self.out -= 1;
        for oldest in [&mut self.hanging, &mut self.settled] {
            oldest.count -= u64::from(number < oldest.end);
        }
    }

    /// Sorted by when they were sent, or nearly: an older one waits for those before it.
    fn doubt(&mut self, sent: Instant) {
        if self.doubts.len() >= MAX {
            self.doubts.pop_front();
        }
        let newest = self.doubts.back().copied().unwrap_or(sent);
        self.doubts.push_back(sent.max(newest));
    }
}

// === impl Oldest ===

impl Oldest {
    /// Where the next one is that may join them.
    fn place(&self, first: u64) -> usize {
        usize::try_from(self.end.saturating_sub(first)).unwrap_or(usize::MAX)
    }
}
