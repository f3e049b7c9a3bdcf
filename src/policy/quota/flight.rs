//! The requests whose answers are not here yet.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::later;

/// A request that has had no answer for so long is given up for lost.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(120);

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
    doubts: VecDeque<Instant>,
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
    pub(super) fn take(&mut self, now: Instant) -> Ticket {
        if self.tickets.len() >= MAX {
            self.pop_lost();
        }
        let number = self.first.wrapping_add(self.tickets.len() as u64);
        self.tickets.push_back(Some(now));
        self.out += 1;
        Ticket { number, sent: now }
    }

    /// It is back. What was in doubt long before it left is known now.
    pub(super) fn answered(&mut self, ticket: &Ticket) {
        let Ticket { number, sent } = *ticket;
        self.settle(number);
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
    pub(super) fn count(&self) -> u64 {
        self.out + self.doubts.len() as u64
    }

    /// Gives up those that have been out too long, and says when there is next something to give up.
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
    }

    /// When something is given up next, if nothing is heard until then.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let doubt = self.doubts.front().map(|sent| later(*sent, DOUBT));
        let oldest = self.tickets.front().and_then(|sent| *sent);
        let ticket = oldest.map(|sent| later(sent, FORGOTTEN_AFTER));
        doubt.into_iter().chain(ticket).min()
    }

    /// Whether this was out until now.
    fn settle(&mut self, number: u64) -> bool {
        let at = usize::try_from(number.wrapping_sub(self.first)).unwrap_or(usize::MAX);
        let was_out = self.tickets.get_mut(at).and_then(Option::take).is_some();
        if was_out {
            self.out -= 1;
        }
        while let Some(None) = self.tickets.front() {
            self.tickets.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        was_out
    }

    fn pop_lost(&mut self) {
        if let Some(ticket) = self.tickets.pop_front() {
            self.first = self.first.wrapping_add(1);
            if let Some(sent) = ticket {
                self.out -= 1;
                self.doubt(sent);
            }
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
