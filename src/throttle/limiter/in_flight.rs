//! The requests whose responses have not come yet.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::later;

/// A request without a response for this long is given up as lost.
const LOST_AFTER: Duration = Duration::from_secs(120);

/// A request without a response for this long *hangs*: other requests no longer wait for it.
///
/// Few responses take longer, a 429 comes at once, and a caller that waits in vain hardly notices less. The time does not grow
/// with slow responses, so that an endpoint which takes three seconds for each reaches its full concurrency too.
const HANGS_AFTER: Duration = Duration::from_secs(1);

/// A lost request may still arrive at the server for this long after it was sent.
const DOUBT: Duration = Duration::from_millis(500);

/// The most buckets. When there are more, each two become one, and any number of requests takes 8 KiB.
const MAX: usize = 256;

/// Leave to send one request. It is handed back with the result of the attempt.
#[derive(Debug)]
#[must_use = "a request that is not reported counts as in flight until it is given up as lost"]
pub struct Permit {
    sent: Instant,
    /// Given by another quota, where the request is in flight.
    is_foreign: bool,
}

/// The requests in flight: sent, and perhaps not counted by the server yet.
///
/// A lost request (dropped, timed out) stays *in doubt* for a while: it may have been counted, and the next responses will show it.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    unanswered: Buckets,
    hanging: Oldest,
    /// Hanging requests that the server counted long ago, or never will: later responses include them.
    settled: Oldest,
    doubts: Buckets,
}

/// Requests by when they were sent, the oldest first.
#[derive(Debug, Default)]
struct Buckets {
    buckets: VecDeque<Bucket>,
    count: u64,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    first: Instant,
    last: Instant,
    count: u32,
}

/// The oldest of the requests in flight: those in so many buckets.
#[derive(Debug, Default)]
struct Oldest {
    buckets: usize,
    count: u64,
}

// === impl Permit ===

impl Permit {
    /// Of a request that another quota gave the permit for.
    pub(super) const fn of_other(sent: Instant) -> Self {
        Self { sent, is_foreign: true }
    }

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
        let sent = self.unanswered.newest().map_or(now, |newest| newest.max(now));
        if self.unanswered.is_full() {
            self.unanswered.halve();
            for oldest in [&mut self.hanging, &mut self.settled] {
                oldest.buckets /= 2;
                oldest.count = self.unanswered.count_of(oldest.buckets);
            }
        }
        self.unanswered.add(sent);
        Permit { sent, is_foreign: false }
    }

    /// The response shows what was in doubt or hung long before its request was sent.
    #[inline]
    pub(super) fn on_response(&mut self, permit: &Permit) {
        if !permit.is_foreign {
            self.remove(permit.sent);
        }
        self.settled.advance(&self.unanswered, permit.sent);
        while self.doubts.oldest().is_some_and(|doubt| later(doubt, DOUBT) < permit.sent) {
            self.doubts.pop();
        }
    }

    pub(super) fn on_lost(&mut self, permit: &Permit) {
        if self.remove(permit.sent) {
            self.doubt(permit.sent, 1);
        }
    }

    pub(super) fn on_unsent(&mut self, permit: &Permit) {
        self.remove(permit.sent);
    }

    /// How many the server may yet count.
    #[inline]
    pub(super) fn count(&self) -> u64 {
        self.unanswered.count - self.settled.count + self.doubts.count
    }

    /// How many may have a response soon.
    #[inline]
    pub(super) fn awaited(&self) -> u64 {
        self.unanswered.count - self.hanging.count + self.doubts.count
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
        self.settled.advance(&self.unanswered, now);
    }

    /// Gives up requests that have been in flight for too long.
    #[inline]
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some(sent) = self.unanswered.oldest().filter(|it| later(*it, LOST_AFTER) <= now) {
            let lost = self.pop();
            self.doubt(sent, lost);
        }
        while self.doubts.oldest().is_some_and(|sent| later(sent, DOUBT) <= now) {
            self.doubts.pop();
        }
        self.hanging.advance(&self.unanswered, now);
    }

    /// When a request is given up next, if no response comes until then.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let doubt = self.doubts.oldest().map(|sent| later(sent, DOUBT));
        let hangs = self.unanswered.buckets.get(self.hanging.buckets);
        let hangs = hangs.map(|bucket| later(bucket.last, HANGS_AFTER));
        let lost = self.unanswered.oldest().map(|sent| later(sent, LOST_AFTER));
        doubt.into_iter().chain(hangs).chain(lost).min()
    }

    /// Returns whether the request was in flight until now.
    #[inline]
    fn remove(&mut self, sent: Instant) -> bool {
        let Some(at) = self.unanswered.remove(sent) else { return false };
        for oldest in [&mut self.hanging, &mut self.settled] {
            oldest.count -= u64::from(at < oldest.buckets);
        }
        while self.unanswered.buckets.front().is_some_and(|bucket| bucket.count == 0) {
            self.pop();
        }
        true
    }

    fn pop(&mut self) -> u32 {
        let count = self.unanswered.pop();
        for oldest in [&mut self.hanging, &mut self.settled].into_iter().filter(|it| it.buckets > 0)
        {
            oldest.buckets -= 1;
            oldest.count -= u64::from(count);
        }
        count
    }

    /// Doubts are sorted by send time, or nearly: an older one waits for those before it.
    fn doubt(&mut self, sent: Instant, count: u32) {
        if self.doubts.is_full() {
            self.doubts.halve();
        }
        let sent = self.doubts.newest().map_or(sent, |newest| newest.max(sent));
        (0..count).for_each(|_| self.doubts.add(sent));
    }
}

// === impl Buckets ===

impl Buckets {
    fn is_full(&self) -> bool {
        self.buckets.len() >= MAX
    }

    #[inline]
    fn add(&mut self, sent: Instant) {
        self.count += 1;
        match self.buckets.back_mut() {
            Some(newest) if newest.last == sent => newest.count += 1,
            _ => self.buckets.push_back(Bucket { first: sent, last: sent, count: 1 }),
        }
    }

    /// Returns the index of the bucket.
    #[inline]
    fn remove(&mut self, sent: Instant) -> Option<usize> {
        // Mostly it is one of the oldest.
        let at = match self.buckets.front() {
            Some(oldest) if sent <= oldest.last => 0,
            _ => self.buckets.partition_point(|bucket| bucket.last < sent),
        };
        let bucket = self.buckets.get_mut(at)?;
        if bucket.first > sent || bucket.count == 0 {
            return None;
        }
        bucket.count -= 1;
        self.count -= 1;
        Some(at)
    }

    fn pop(&mut self) -> u32 {
        let count = self.buckets.pop_front().map_or(0, |bucket| bucket.count);
        self.count -= u64::from(count);
        count
    }

    fn oldest(&self) -> Option<Instant> {
        self.buckets.front().map(|bucket| bucket.last)
    }

    fn newest(&self) -> Option<Instant> {
        self.buckets.back().map(|bucket| bucket.last)
    }

    fn count_of(&self, buckets: usize) -> u64 {
        self.buckets.iter().take(buckets).map(|bucket| u64::from(bucket.count)).sum()
    }

    fn halve(&mut self) {
        let pairs = self.buckets.make_contiguous().chunks(2).map(|pair| Bucket {
            first: pair[0].first,
            last: pair[pair.len() - 1].last,
            count: pair.iter().map(|bucket| bucket.count).sum(),
        });
        self.buckets = pairs.collect();
    }
}

// === impl Oldest ===

impl Oldest {
    /// Adds the requests that hang at `time`.
    #[inline]
    fn advance(&mut self, all: &Buckets, time: Instant) {
        while let Some(bucket) = all.buckets.get(self.buckets) {
            if later(bucket.last, HANGS_AFTER) > time {
                break;
            }
            self.count += u64::from(bucket.count);
            self.buckets += 1;
        }
    }
}
