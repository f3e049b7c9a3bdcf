//! The requests whose responses have not come yet.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::{ago, later};
use crate::moment::Moment;

/// A request without a response for this long is given up as lost.
const LOST_AFTER: Duration = Duration::from_secs(120);

/// A request without a response for this long *hangs*: other requests no longer wait for it.
///
/// Few responses take longer, a 429 comes at once, and a caller that waits in vain hardly notices less. The time does not grow
/// with slow responses, so that an endpoint which takes three seconds for each reaches its full concurrency too.
const HANGS_AFTER: Duration = Duration::from_secs(1);

/// A request is at the server after this long, or when its response comes: so a response that takes long does not keep a request from
/// counting in the window that it was sent in. A longer way costs a rejection at the end of a window.
pub(super) const ARRIVES_WITHIN: Duration = Duration::from_millis(200);

/// A lost request may still arrive at the server for this long after it was sent.
const DOUBT: Duration = Duration::from_millis(500);

/// The most buckets. When there are more, each two become one, and any number of requests takes 8 KiB.
const MAX: usize = 256;

/// Leave to send one request. It is handed back with the result of the attempt.
#[derive(Debug)]
#[must_use = "a request that is not reported counts as in flight until it is given up as lost"]
pub struct Permit {
    sent: Instant,
    at: Moment,
    /// Given by another quota, where the request is in flight.
    is_foreign: bool,
}

/// The requests in flight: sent, and perhaps not counted by the server yet.
///
/// A lost request (dropped, timed out) stays *in doubt* for a while: it may have been counted, and the next responses will show it.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    unanswered: Buckets,
    doubts: Buckets,
    /// When the latest request was sent that has a response. It shows all that were sent long before: what still hangs of these was
    /// counted, or never will be.
    answered: Option<Moment>,
}

/// Requests by when they were sent, the oldest first.
#[derive(Debug, Default)]
struct Buckets {
    buckets: VecDeque<Bucket>,
    count: u64,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    first: Moment,
    last: Moment,
    count: u32,
}

// === impl Permit ===

impl Permit {
    /// Of a request that another quota gave the permit for.
    pub(super) fn of_other(sent: Instant) -> Self {
        Self { sent, at: sent.into(), is_foreign: true }
    }

    /// When the permit was given.
    #[must_use]
    pub const fn sent(&self) -> Instant {
        self.sent
    }

    pub(super) const fn at(&self) -> Moment {
        self.at
    }
}

/// When the server had counted a request that has a response.
pub(super) fn counted_by(sent: Moment, received: Moment) -> Moment {
    received.min(later(sent, ARRIVES_WITHIN))
}

// === impl InFlight ===

impl InFlight {
    #[inline]
    pub(super) fn add(&mut self, now: Moment, sent: Instant) -> Permit {
        let at = self.unanswered.newest().map_or(now, |newest| newest.max(now));
        if self.unanswered.is_full() {
            self.unanswered.halve();
        }
        self.unanswered.add(at);
        Permit { sent, at, is_foreign: false }
    }

    /// The response shows what was in doubt or hung long before its request was sent.
    #[inline]
    pub(super) fn on_response(&mut self, permit: &Permit) {
        if !permit.is_foreign {
            self.unanswered.remove(permit.at);
        }
        self.answered = self.answered.max(Some(permit.at));
        while self.doubts.oldest().is_some_and(|doubt| later(doubt, DOUBT) < permit.at) {
            self.doubts.pop();
        }
    }

    pub(super) fn on_lost(&mut self, permit: &Permit) {
        if self.unanswered.remove(permit.at) {
            self.doubt(permit.at, 1);
        }
    }

    pub(super) fn on_unsent(&mut self, permit: &Permit) {
        self.unanswered.remove(permit.at);
    }

    /// All that have no response and may yet get one.
    #[inline]
    pub(super) const fn unanswered(&self) -> u64 {
        self.unanswered.count
    }

    /// All that have no response, and those in doubt.
    #[inline]
    pub(super) const fn all(&self) -> u64 {
        self.unanswered.count + self.doubts.count
    }

    /// As [`all`](Self::all), without those that have been given up by now.
    pub(super) fn all_at(&self, now: Moment) -> u64 {
        self.unanswered.since(ago(now, LOST_AFTER)) + self.doubts.since(ago(now, DOUBT))
    }

    /// How many the server may yet count, apart from what responses show.
    #[inline]
    pub(super) fn unsettled(&self) -> u64 {
        let from = self.answered.filter(|_| self.unanswered.count > 0);
        from.map_or(self.all(), |answered| self.since(ago(answered, HANGS_AFTER)))
    }

    /// How many the server may have counted after this moment.
    pub(super) fn counted_since(&self, moment: Moment) -> u64 {
        self.since(ago(moment, ARRIVES_WITHIN)).min(self.unsettled())
    }

    /// How many have had no response for too long.
    #[inline]
    pub(super) fn hanging(&self, now: Moment) -> u64 {
        self.unanswered.count - self.unanswered.since(ago(now, HANGS_AFTER))
    }

    /// When the server has counted the first of those that it may have counted after this moment.
    pub(super) fn first_counted_since(&self, moment: Moment) -> Option<Moment> {
        let at = self.unanswered.position(ago(moment, ARRIVES_WITHIN));
        Some(later(self.unanswered.buckets.get(at)?.last, ARRIVES_WITHIN))
    }

    /// Gives up requests that have been in flight for too long.
    #[inline]
    pub(super) fn expire(&mut self, now: Moment) {
        while let Some(sent) = self.unanswered.oldest().filter(|it| later(*it, LOST_AFTER) <= now) {
            let lost = self.unanswered.pop();
            self.doubt(sent, lost);
        }
        while self.doubts.oldest().is_some_and(|sent| later(sent, DOUBT) <= now) {
            self.doubts.pop();
        }
    }

    /// When a request hangs or is given up next, if no response comes until then.
    pub(super) fn next_expiry(&self, now: Moment) -> Option<Moment> {
        let doubt = self.doubts.oldest().map(|sent| later(sent, DOUBT));
        let hangs = self.unanswered.position(ago(now, HANGS_AFTER));
        let hangs = self.unanswered.buckets.get(hangs);
        let hangs = hangs.map(|bucket| later(bucket.last, HANGS_AFTER));
        let lost = self.unanswered.oldest().map(|sent| later(sent, LOST_AFTER));
        doubt.into_iter().chain(hangs).chain(lost).min()
    }

    /// How many were sent after this moment, or are in doubt.
    fn since(&self, moment: Moment) -> u64 {
        self.unanswered.since(moment) + self.doubts.count
    }

    /// Doubts are sorted by send time, or nearly: an older one waits for those before it.
    fn doubt(&mut self, sent: Moment, count: u32) {
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
    fn add(&mut self, sent: Moment) {
        self.count += 1;
        match self.buckets.back_mut() {
            Some(newest) if newest.last == sent => newest.count += 1,
            _ => self.buckets.push_back(Bucket { first: sent, last: sent, count: 1 }),
        }
    }

    /// Returns whether there is one.
    #[inline]
    fn remove(&mut self, sent: Moment) -> bool {
        // Mostly it is one of the oldest.
        let at = match self.buckets.front() {
            Some(oldest) if sent <= oldest.last => 0,
            _ => self.buckets.partition_point(|bucket| bucket.last < sent),
        };
        let bucket = self.buckets.get_mut(at).filter(|it| it.first <= sent && it.count > 0);
        let Some(bucket) = bucket else { return false };
        bucket.count -= 1;
        self.count -= 1;
        while self.buckets.front().is_some_and(|bucket| bucket.count == 0) {
            self.buckets.pop_front();
        }
        true
    }

    fn pop(&mut self) -> u32 {
        let count = self.buckets.pop_front().map_or(0, |bucket| bucket.count);
        self.count -= u64::from(count);
        count
    }

    fn oldest(&self) -> Option<Moment> {
        self.buckets.front().map(|bucket| bucket.last)
    }

    fn newest(&self) -> Option<Moment> {
        self.buckets.back().map(|bucket| bucket.last)
    }

    /// The index of the first that was sent after this moment.
    #[inline]
    fn position(&self, moment: Moment) -> usize {
        match self.oldest() {
            Some(oldest) if oldest <= moment => {
                self.buckets.partition_point(|bucket| bucket.last <= moment)
            }
            _ => 0,
        }
    }

    /// How many were sent after this moment.
    #[inline]
    fn since(&self, moment: Moment) -> u64 {
        match self.position(moment) {
            0 => self.count,
            at => self.buckets.range(at..).map(|bucket| u64::from(bucket.count)).sum(),
        }
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
