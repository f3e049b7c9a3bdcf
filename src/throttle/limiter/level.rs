//! What is left, from answers that come in any order.

use std::collections::VecDeque;

use tokio::time::Instant;

/// Readings that may each be the newest are kept up to this many.
const MAX: usize = 64;

/// What is left, as the answers say that were counted last.
///
/// Which of two answers was counted last cannot be told if the one was on its way while the other was. So of all that may be
/// the last, the least holds: those that came back after the latest of them left.
///
/// ```text
///   A ├────────┤             was counted before C, for certain: A no longer counts
///   B      ├───────────┤     before or after C: the lesser of B and C holds
///   C            ├────────┤  the latest to be sent
/// ```
#[derive(Debug, Default)]
pub(super) struct Level {
    /// When they came and what they said, those left out that a later and lesser one makes needless.
    recent: VecDeque<(Instant, u64)>,
    latest_sent: Option<Instant>,
}

// === impl Level ===

impl Level {
    pub(super) fn clear(&mut self) {
        self.recent.clear();
        self.latest_sent = None;
    }

    /// Only so much is left, whatever comes.
    pub(super) fn set(&mut self, left: u64, now: Instant) {
        self.clear();
        self.recent.push_back((now, left));
    }

    pub(super) fn read(&mut self, sent: Instant, received: Instant, left: u64) {
        let latest = self.latest_sent.map_or(sent, |latest| latest.max(sent));
        self.latest_sent = Some(latest);
        while self.recent.back().is_some_and(|(_, more)| *more >= left) {
            self.recent.pop_back();
        }
        if self.recent.len() < MAX {
            self.recent.push_back((received, left));
        }
        while self.recent.len() > 1 && self.recent.front().is_some_and(|(came, _)| *came < latest) {
            self.recent.pop_front();
        }
    }

    /// How many are left.
    pub(super) fn left(&self) -> u64 {
        self.recent.front().map_or(0, |(_, left)| *left)
    }

    /// When the reading came that says so.
    pub(super) fn at(&self) -> Option<Instant> {
        self.recent.front().map(|(at, _)| *at)
    }
}
