//! Refused, and not told until when.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    super::{Verdict, View, later},
    Heard, Next,
    trial::Trial,
};

/// The first probe comes so long after the refusal.
const FIRST_GAP: Duration = Duration::from_millis(20);

/// Each further probe after half as long again, so that the wait is overshot by a third at most. Up to this.
const LONGEST_GAP: Duration = Duration::from_secs(60);

/// Refused: probes at short growing distances until one is accepted, or one when the server said.
#[derive(Debug)]
pub(in super::super) struct Blocked {
    /// How many were accepted before it.
    block: u64,
    /// When the first refused one was sent, and the last.
    since: Instant,
    last_refused: Instant,
    next: Instant,
    gap: Duration,
    told: bool,
}

// === impl Blocked ===

impl Blocked {
    pub(super) fn new(block: u64, heard: &Heard) -> Self {
        let mut blocked = Self {
            block,
            since: heard.sent,
            last_refused: heard.sent,
            next: heard.received,
            gap: FIRST_GAP,
            told: false,
        };
        blocked.hold(heard);
        blocked
    }

    pub(super) fn turn(&self, view: &View) -> Verdict {
        if view.now < self.next { Verdict::At(self.next) } else { view.probe() }
    }

    pub(super) fn accepted(&mut self, heard: &Heard) -> Next {
        if heard.sent < self.next {
            // It was on its way before the refusal.
            self.block += 1;
            return Next::Stay;
        }
        let closed_for = self.last_refused.saturating_duration_since(self.since);
        Trial::begin(self.block, self.told, self.since, closed_for, heard)
    }

    pub(super) fn refused(&mut self, heard: &Heard) -> Next {
        self.last_refused = self.last_refused.max(heard.sent);
        if heard.sent >= self.next {
            self.gap = self.gap.saturating_add(self.gap / 2).min(LONGEST_GAP);
        }
        self.hold(heard);
        Next::Stay
    }

    fn hold(&mut self, heard: &Heard) {
        // Rounded down, the last second of a wait is none at all.
        let wait = heard.retry_after.map_or(self.gap, |told| told.max(self.gap));
        self.told |= heard.retry_after.is_some();
        self.next = self.next.max(later(heard.received, wait));
    }
}
