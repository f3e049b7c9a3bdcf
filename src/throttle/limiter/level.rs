//! What is left of a limit, from responses that come in any order.

use std::collections::VecDeque;

use crate::moment::Moment;

/// The most readings kept that may each be the newest.
const MAX: usize = 64;

/// What is left, by the responses that may have been counted last.
///
/// With requests in flight concurrently we cannot know which was counted last, so the lowest value wins: of the responses that
/// came after the latest of them was sent.
///
/// ```text
///   A ├────────┤             certainly counted before C: A no longer counts
///   B      ├───────────┤     before or after C: the lower of B and C holds
///   C            ├────────┤  the latest to be sent
/// ```
#[derive(Debug, Default)]
pub(super) struct Level {
    /// When they came and what they said, without those that a later and lower one makes redundant.
    recent: VecDeque<(Moment, u64)>,
    latest_sent: Option<Moment>,
}

// === impl Level ===

impl Level {
    pub(super) fn clear(&mut self) {
        self.recent.clear();
        self.latest_sent = None;
    }

    /// Replaces all readings.
    pub(super) fn set(&mut self, left: u64, now: Moment) {
        self.clear();
        self.recent.push_back((now, left));
    }

    pub(super) fn read(&mut self, sent: Moment, received: Moment, left: u64) {
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

    pub(super) fn left(&self) -> u64 {
        self.recent.front().map_or(0, |(_, left)| *left)
    }

    /// When the reading came that `left` is from.
    pub(super) fn at(&self) -> Option<Moment> {
        self.recent.front().map(|(at, _)| *at)
    }
}
