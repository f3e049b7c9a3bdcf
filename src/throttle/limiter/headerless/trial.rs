//! The first block that begins where the last one ended.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::{
    super::{Verdict, View},
    Headerless, Next, RoundTrip,
    cycle::Cycle,
    pace::Pace,
};

/// A window of this few is not worth filling at once: an even pace is as fast. And the limiter may let single requests through.
pub(super) const SMALL: u64 = 3;

/// A second block, sent with care: the first may have begun in the middle of a window, or spanned two; this one is whole.
#[derive(Debug)]
pub(in super::super) struct Trial {
    /// The size of the first block.
    most: u64,
    /// When the first rejected request was sent.
    since: Instant,
    /// For how long the server rejected requests.
    closed_for: Duration,
    /// When the accepted requests were sent and their responses came.
    accepted: VecDeque<(Instant, Instant)>,
}

// === impl Trial ===

impl Trial {
    /// Begins with its first success.
    pub(super) fn new(most: u64, since: Instant, closed_for: Duration, trip: &RoundTrip) -> Self {
        let accepted = VecDeque::from([(trip.sent, trip.received)]);
        Self { most, since, closed_for, accepted }
    }

    pub(super) fn check(&mut self, view: &View) -> Verdict {
        let accepted = self.accepted.len() as u64;
        let concurrency = (accepted + 1).min((self.most / 4).max(1));
        if accepted + view.awaited >= self.most || view.awaited >= concurrency {
            return Verdict::AfterResponse;
        }
        Verdict::Go
    }

    pub(super) fn on_accepted(&mut self, trip: &RoundTrip) -> Next {
        self.accepted.push_back((trip.sent, trip.received));
        if (self.accepted.len() as u64) < self.most {
            Next::Stay
        } else {
            self.cycle(trip.received)
        }
    }

    pub(super) fn on_rate_limited(&mut self, trip: &RoundTrip) -> Next {
        let accepted = self.accepted.len() as u64;
        let few = accepted <= 1 || accepted.saturating_mul(4) < self.most;
        if trip.retry_after.is_none() && few {
            return Next::Go(Headerless::Pace(Pace::new(self.since, accepted, self.most, trip)));
        }
        self.cycle(trip.received)
    }

    fn cycle(&mut self, now: Instant) -> Next {
        let entries = std::mem::take(&mut self.accepted);
        let cycle = Cycle::new(entries, self.most, self.closed_for, now);
        Next::Go(Headerless::Cycle(Box::new(cycle)))
    }
}
