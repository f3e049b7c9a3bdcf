//! How long a unit takes to come back: an interval that experience narrows.

use std::time::Duration;

/// Round lengths: people set limits by the second, the minute, the hour.
const ROUND_MILLIS: [u64; 22] = [
    10, 20, 50, 100, 200, 250, 500, 1_000, 2_000, 3_000, 5_000, 10_000, 15_000, 20_000, 30_000,
    60_000, 120_000, 300_000, 600_000, 900_000, 3_600_000, 86_400_000,
];

/// The round lengths that most servers use.
const USUAL_MILLIS: [u64; 14] = [
    100, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 900_000,
    3_600_000, 86_400_000,
];

/// An interval: from the longest time after which nothing had come back to the shortest after which something had.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Period {
    longer_than: Duration,
    at_most: Option<Duration>,
}

// === impl Period ===

impl Period {
    /// Nothing had come back after this time.
    pub(super) fn not_yet(&mut self, after: Duration) {
        self.longer_than = self.longer_than.max(after);
        // The bounds contradict each other if the limiter was changed, or if its windows do not begin with a request. A wait in
        // vain is the stronger evidence.
        if self.at_most.is_some_and(|most| most <= self.longer_than) {
            self.at_most = None;
        }
    }

    /// Something had come back after this time.
    pub(super) fn back(&mut self, after: Duration) {
        if after > self.longer_than {
            self.at_most = Some(self.at_most.map_or(after, |most| most.min(after)));
        }
    }

    pub(super) const fn longer_than(&self) -> Duration {
        self.longer_than
    }

    /// The best guess: the longest round length in the interval, else its upper bound.
    pub(super) fn length(&self) -> Option<Duration> {
        let most = self.at_most?;
        let round = ROUND_MILLIS.iter().rev().map(|millis| Duration::from_millis(*millis));
        let mut inside = round.filter(|round| *round > self.longer_than && *round <= most);
        Some(inside.next().unwrap_or(most))
    }

    /// The length to try next: the next usual one, and no more than is known to be long enough.
    pub(super) fn next_attempt(&self) -> Duration {
        let least = self.longer_than.saturating_add(self.longer_than / 50);
        let mut usual = USUAL_MILLIS.iter().map(|millis| Duration::from_millis(*millis));
        let next = usual.find(|usual| *usual >= least).unwrap_or(least);
        self.length().map_or(next, |length| length.min(next))
    }

    /// The width of the interval; `None` without an upper bound.
    pub(super) fn width(&self) -> Option<Duration> {
        Some(self.at_most?.saturating_sub(self.longer_than))
    }
}
