//! The requests whose responses have not come yet.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::later;

/// A request without a response for this long is given up as lost.
const LOST_AFTER: Duration = Duration::from_secs(120);

/// A request without a response for this long *hangs*: other requests no longer wait for it.
///
/// Few responses take longer, a 429 comes at once, and a caller who waits in vain hardly notices less. The time does not grow
/// with slow responses, so that an endpoint which takes three seconds for each reaches its full concurrency too.
const HANGS_AFTER: Duration = Duration::from_secs(1);

/// A lost request may still arrive at the server for this long after it was sent.
const DOUBT: Duration = Duration::from_millis(500);

/// The most requests that are tracked; beyond it the oldest are given up as lost.
const MAX: usize = 1 << 16;

/// Leave to send one request. It is handed back with the result of the attempt.
#[derive(Debug)]
#[must_use = "a request that is not reported counts as in flight until it is given up as lost"]
pub struct Permit {
    number: u64,
    sent: Instant,
}

/// The requests in flight: sent, and perhaps not counted by the server yet.
///
/// A lost request (dropped, timed out) stays *in doubt* for a while: it may have been counted, and the next responses will show it.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    /// Send times, from the oldest request in flight on; `None` where the response has come.
    requests: VecDeque<Option<Instant>>,
    /// The number of the first of them.
    first: u64,
    unanswered: u64,
    hanging: Oldest,
    /// Hanging requests that the server counted long ago, or never will: later responses include them.
    settled: Oldest,
    doubts: VecDeque<Instant>,
}

/// The oldest of the requests in flight.
#[derive(Debug, Default)]
struct Oldest {
    /// Their numbers are below this one.
    end: u64,
    count: u64,
}

// === impl Permit ===

impl Permit {
    /// When the permit was given.
    #[must_use]
    pub const fn sent(&self) -> Instant {
        self.sent
    }
}

// === impl InFlight ===

impl InFlight {
    #[inline]
    pub(super) fn add(&mut self, now: Instant) -> Permit {
        if self.requests.len() >= MAX {
            self.pop_lost();
        }
        let number = self.first.wrapping_add(self.requests.len() as u64);
        self.requests.push_back(Some(now));
        self.unanswered += 1;
        Permit { number, sent: now }
    }

    /// The response shows what was in doubt or hung long before its request was sent.
    #[inline]
    pub(super) fn on_response(&mut self, permit: &Permit) {
        let Permit { number, sent } = *permit;
        self.remove(number);
        Self::advance(&mut self.settled, &self.requests, self.first, sent);
        while self.doubts.front().is_some_and(|doubt| later(*doubt, DOUBT) < sent) {
            self.doubts.pop_front();
        }
    }

    pub(super) fn on_lost(&mut self, permit: &Permit) {
        let Permit { number, sent } = *permit;
        if self.remove(number) {
            self.doubt(sent);
        }
    }

    pub(super) fn on_unsent(&mut self, permit: &Permit) {
        self.remove(permit.number);
    }

    /// How many the server may yet count.
    #[inline]
    pub(super) fn count(&self) -> u64 {
        self.unanswered - self.settled.count + self.doubts.len() as u64
    }

    /// How many may have a response soon.
    #[inline]
    pub(super) fn awaited(&self) -> u64 {
        self.unanswered - self.hanging.count + self.doubts.len() as u64
    }

    /// How many have had no response for too long.
    pub(super) const fn hanging(&self) -> u64 {
        self.hanging.count
    }

    /// How many of the hanging ones the server counted long ago, or never will.
    pub(super) const fn settled(&self) -> u64 {
        self.settled.count
    }

    /// A new window begins: hanging requests were counted in an earlier one, or never will be.
    pub(super) fn begin_window(&mut self, now: Instant) {
        Self::advance(&mut self.settled, &self.requests, self.first, now);
    }

    /// Gives up requests that have been in flight for too long.
    #[inline]
    pub(super) fn expire(&mut self, now: Instant) {
        while self
            .requests
            .front()
            .is_some_and(|sent| sent.is_none_or(|sent| later(sent, LOST_AFTER) <= now))
        {
            self.pop_lost();
        }
        while self.doubts.front().is_some_and(|sent| later(*sent, DOUBT) <= now) {
            self.doubts.pop_front();
        }
        Self::advance(&mut self.hanging, &self.requests, self.first, now);
    }

    /// When a request is given up next, if no response comes until then.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let doubt = self.doubts.front().map(|sent| later(*sent, DOUBT));
        let sent = |at: usize| self.requests.get(at).copied().flatten();
        let hangs = sent(self.hanging.index(self.first)).map(|sent| later(sent, HANGS_AFTER));
        let lost = sent(0).map(|sent| later(sent, LOST_AFTER));
        doubt.into_iter().chain(hangs).chain(lost).min()
    }

    /// Adds the requests that hang at `time` to `oldest`.
    fn advance(
        oldest: &mut Oldest,
        requests: &VecDeque<Option<Instant>>,
        first: u64,
        time: Instant,
    ) {
        while let Some(request) = requests.get(oldest.index(first)) {
            match request {
                Some(sent) if later(*sent, HANGS_AFTER) > time => break,
                request => oldest.count += u64::from(request.is_some()),
            }
            oldest.end = oldest.end.max(first).wrapping_add(1);
        }
    }

    /// Returns whether the request was in flight until now.
    #[inline]
    fn remove(&mut self, number: u64) -> bool {
        let at = usize::try_from(number.wrapping_sub(self.first)).unwrap_or(usize::MAX);
        let was_in_flight = self.requests.get_mut(at).and_then(Option::take).is_some();
        if was_in_flight {
            self.uncount(number);
        }
        while let Some(None) = self.requests.front() {
            self.requests.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        was_in_flight
    }

    fn pop_lost(&mut self) {
        if let Some(request) = self.requests.pop_front() {
            if let Some(sent) = request {
                self.uncount(self.first);
                self.doubt(sent);
            }
            self.first = self.first.wrapping_add(1);
        }
    }

    #[inline]
    fn uncount(&mut self, number: u64) {
        self.unanswered -= 1;
        for oldest in [&mut self.hanging, &mut self.settled] {
            oldest.count -= u64::from(number < oldest.end);
        }
    }

    /// Doubts are sorted by send time, or nearly: an older one waits for those before it.
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
    /// The index of the next request that may join them.
    fn index(&self, first: u64) -> usize {
        usize::try_from(self.end.saturating_sub(first)).unwrap_or(usize::MAX)
    }
}
