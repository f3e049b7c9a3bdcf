//! Rate limited, perhaps without a `Retry-After`.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    super::{Verdict, View, later},
    Headerless, Next, RoundTrip,
    pace::Pace,
    ramp::Ramp,
    trial::{SMALL, Trial},
};

/// The time from the rate-limited response to the first probe.
const FIRST_GAP: Duration = Duration::from_millis(20);

/// Each gap is half as long again as the one before, so that the wait is overshot by a third at most. Up to this.
const LONGEST_GAP: Duration = Duration::from_secs(60);

/// Rate limited: single probes with growing gaps until one is accepted, or one probe after `Retry-After`.
#[derive(Debug)]
pub(in super::super) struct Blocked {
    /// How many requests were accepted before.
    block: u64,
    /// When the first rejected request was sent, and the last.
    since: Instant,
    last: Instant,
    next: Instant,
    gap: Duration,
    had_retry_after: bool,
}

// === impl Blocked ===

impl Blocked {
    pub(super) fn new(block: u64, trip: &RoundTrip) -> Self {
        let mut blocked = Self {
            block,
            since: trip.sent,
            last: trip.sent,
            next: trip.received,
            gap: FIRST_GAP,
            had_retry_after: false,
        };
        blocked.wait(trip);
        blocked
    }

    pub(super) fn check(&self, view: &View) -> Verdict {
        if view.now < self.next { Verdict::At(self.next) } else { view.probe() }
    }

    pub(super) fn on_accepted(&mut self, trip: &RoundTrip) -> Next {
        if trip.sent < self.next {
            // It was in flight before the rate-limited response came.
            self.block += 1;
            return Next::Stay;
        }
        let closed_for = self.last.saturating_duration_since(self.since);
        // A small block says nothing of a window: the next request may have come too soon after it, or the server may have been
        // closed for reasons of its own, if it said for how long.
        Next::Go(match self.block {
            0 => Headerless::Ramp(Ramp::opened()),
            1 if self.had_retry_after => Headerless::Ramp(Ramp::opened()),
            1..=SMALL if !self.had_retry_after => {
                Headerless::Pace(Pace::new(self.since, 1, self.block, trip))
            }
            _ => Headerless::Trial(Trial::new(self.block, self.since, closed_for, trip)),
        })
    }

    pub(super) fn on_rate_limited(&mut self, trip: &RoundTrip) -> Next {
        self.last = self.last.max(trip.sent);
        if trip.sent >= self.next {
            self.gap = self.gap.saturating_add(self.gap / 2).min(LONGEST_GAP);
        }
        self.wait(trip);
        Next::Stay
    }

    fn wait(&mut self, trip: &RoundTrip) {
        // A `Retry-After` that is rounded down says zero in the last second.
        let wait = trip.retry_after.map_or(self.gap, |asked| asked.max(self.gap));
        self.had_retry_after |= trip.retry_after.is_some();
        self.next = self.next.max(later(trip.received, wait));
    }
}
