//! The server rejects what is sent.

use std::time::Duration;

use crate::moment::Moment;

use super::{
    super::{Verdict, View, ago, later},
    RoundTrip,
};

/// The time from the rejection to the first probe.
pub(super) const FIRST_GAP: Duration = Duration::from_millis(20);

/// Each gap is half as long again as the one before, so that the closed time is overshot by a third at most. Up to this.
const LONGEST_GAP: Duration = Duration::from_secs(4);

/// A server that has failed whatever was sent for this long, and at so many probes, is *down*. A limit lets a request through by then.
const DOWN_AFTER: Duration = Duration::from_secs(2);
const DOWN_PROBES: u32 = 6;

/// To a server that is down a request is sent this often, and a few at once: the attempts of a single caller.
const DOWN_GAP: Duration = Duration::from_millis(600);
const DOWN_BURST: u32 = 2;

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
    /// The time that the rate explains.
    explained: Duration,
    /// When the first was sent of those in a row that have failed (503, 529) without a wait.
    failing_since: Option<Moment>,
    failed: u32,
    /// When the next request may be sent while the server is down.
    due: Moment,
}

// === impl Closed ===

impl Closed {
    /// `gap` is that of the pace, and `explained` the longest that the limit explains.
    pub(super) fn new(
        trip: &RoundTrip,
        gap: Duration,
        explained: Duration,
        relearns: bool,
    ) -> Self {
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
            explained: explained.max(DOWN_AFTER),
            failing_since: None,
            failed: 0,
            due: trip.received,
        };
        closed.note_failure(trip);
        closed.wait(trip);
        closed
    }

    pub(super) fn check(&self, view: &View<'_>) -> Verdict {
        if self.is_down() {
            return if view.now < self.due { Verdict::At(self.due) } else { Verdict::Go };
        }
        if view.now < self.next { Verdict::At(self.next) } else { view.probe() }
    }

    /// Whether the server has failed all that was sent for longer than a limit explains, and named no time at which it will be back.
    /// What it waits for then is not the rate, so nothing is gained by a queue.
    pub(super) fn is_down(&self) -> bool {
        self.failed > DOWN_PROBES
            && self.failing_since.is_some_and(|since| later(since, self.explained) <= self.last)
    }

    pub(super) fn on_sent(&mut self, now: Moment) {
        if self.is_down() {
            self.due = later(self.due.max(ago(now, DOWN_GAP * DOWN_BURST)), DOWN_GAP);
        }
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
        self.note_failure(trip);
        self.wait(trip);
    }

    fn note_failure(&mut self, trip: &RoundTrip) {
        if trip.has_failed && trip.wait.is_none() {
            self.failing_since.get_or_insert(trip.sent);
            self.failed = self.failed.saturating_add(1);
        } else {
            (self.failing_since, self.failed) = (None, 0);
        }
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
