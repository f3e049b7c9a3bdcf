//! The server rejects what is sent.

use std::time::Duration;

use crate::moment::Moment;

use super::{
    super::{Verdict, View, later},
    RoundTrip,
};

/// The time from the rejection to the first probe.
pub(super) const FIRST_GAP: Duration = Duration::from_millis(20);

/// Each gap is half as long again as the one before, so that the closed time is overshot by a third at most. Up to this.
const LONGEST_GAP: Duration = Duration::from_secs(4);

/// Rejected: single probes with growing gaps until one is accepted, or one probe after the wait that the server asked for.
#[derive(Debug)]
pub(super) struct Closed {
    /// When the first rejected request was sent, and the last.
    since: Moment,
    last: Moment,
    /// Requests sent from here on are probes.
    probes_from: Moment,
    next: Moment,
    gap: Duration,
    longest: Duration,
    had_wait: bool,
    /// Rejected probes.
    probes: u32,
    /// Whether the model is learned anew.
    relearns: bool,
}

// === impl Closed ===

impl Closed {
    pub(super) fn new(trip: &RoundTrip, gap: Duration, relearns: bool) -> Self {
        let mut closed = Self {
            since: trip.sent,
            last: trip.sent,
            probes_from: trip.received,
            next: trip.received,
            gap: gap.max(FIRST_GAP),
            longest: (gap * 4).max(LONGEST_GAP),
            had_wait: false,
            probes: 0,
            relearns,
        };
        closed.wait(trip);
        closed
    }

    pub(super) fn check(&self, view: &View<'_>) -> Verdict {
        if view.now < self.next { Verdict::At(self.next) } else { view.probe() }
    }

    pub(super) fn is_probe(&self, trip: &RoundTrip) -> bool {
        trip.sent >= self.probes_from
    }

    pub(super) fn on_rejected(&mut self, trip: &RoundTrip) {
        self.last = self.last.max(trip.sent);
        if self.is_probe(trip) {
            self.probes += 1;
            self.gap = self.gap.saturating_add(self.gap / 2).min(self.longest);
        }
        self.wait(trip);
    }

    /// The time from the first rejected request to the last.
    pub(super) fn rejected_for(&self) -> Duration {
        self.last.saturating_duration_since(self.since)
    }

    /// The same, or to the end of the wait that the server asked for.
    pub(super) fn closed_for(&self) -> Duration {
        let end = if self.had_wait { self.next } else { self.last };
        end.saturating_duration_since(self.since)
    }

    pub(super) const fn probes(&self) -> u32 {
        self.probes
    }

    pub(super) const fn last(&self) -> Moment {
        self.last
    }

    pub(super) const fn had_wait(&self) -> bool {
        self.had_wait
    }

    pub(super) const fn relearns(&self) -> bool {
        self.relearns
    }

    fn wait(&mut self, trip: &RoundTrip) {
        // A wait that is rounded down is zero in the last second.
        let wait = trip.wait.map_or(self.gap, |asked| asked.max(self.gap));
        self.had_wait |= trip.wait.is_some();
        self.next = self.next.max(later(trip.received, wait));
    }
}
