//! A bucket that fills steadily.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    super::{Verdict, View, later, level::Level},
    Fits, Sighting,
};

/// A rate is measured over no less than this.
const MEASURED_OVER: Duration = Duration::from_millis(500);

/// What a refusal takes from the share and from the rate, and what each unit that was left over adds to the share.
const TAKEN: f64 = 0.8;
const SLOWER: f64 = 0.99;
const LEFT: f64 = 1.02;
const LEAST_SHARE: f64 = 0.1;

/// More refusals than this, and it is no bucket.
const TOLERATED: u32 = 12;

/// A bucket that fills steadily, up to the limit: what is left rises with time, and its reset is when it is full.
///
/// ```text
///  limit ┤▔▔▔╲
///        │    ╲        one each 1/rate
///      0 ┤     ╲╱│╱│╱│╱│╱│╱│
/// ```
#[derive(Debug)]
pub(super) struct Bucket {
    level: Level,
    /// Units a second; rather too few than too many, since what it leaves out is seen as left over and then used.
    rate: f64,
    /// Where the measurement began: when, how much was left, and how many have been counted since.
    since: Option<Start>,
    /// The part of the rate that others leave: less after each refusal, more whenever something is left over.
    share: f64,
    refusals: u32,
}

#[derive(Clone, Copy, Debug)]
struct Start {
    sent: Instant,
    left: u64,
    accepted: u64,
}

// === impl Bucket ===

impl Bucket {
    pub(super) fn new(rate: f64, seen: &Sighting) -> Self {
        let mut level = Level::default();
        level.read(seen.sent, seen.received, seen.left);
        Self { level, rate, since: None, share: 1.0, refusals: 0 }
    }

    pub(super) fn turn(&self, view: &View, limit: u64) -> Verdict {
        let need = view.out.saturating_add(1);
        if self.now(view.now, limit) >= need {
            return Verdict::Go;
        }
        let missing = need.saturating_sub(self.level.left());
        let at = self.level.at().unwrap_or(view.now);
        let wait = Duration::try_from_secs_f64(missing as f64 / (self.rate * self.share))
            .unwrap_or(Duration::MAX);
        let due = view.cap(later(later(at, wait), view.margin), at);
        if view.now < due { Verdict::At(due) } else { view.probe() }
    }

    pub(super) fn left(&self, view: &View, limit: u64) -> (u64, Instant) {
        let missing = limit.saturating_sub(self.level.left());
        let full = Duration::try_from_secs_f64(missing as f64 / self.rate).unwrap_or(Duration::MAX);
        (
            self.now(view.now, limit).saturating_sub(view.out),
            later(self.level.at().unwrap_or(view.now), full),
        )
    }

    pub(super) fn read(&mut self, seen: &Sighting) -> Fits {
        if seen.refused {
            self.refusals += 1;
            self.share = (self.share * TAKEN).max(LEAST_SHARE);
            self.rate *= SLOWER;
            self.since = None;
        } else if seen.left > 0 {
            self.refusals = self.refusals.saturating_sub(1);
            self.share = (self.share * LEFT).min(1.0);
        }
        self.level.read(seen.sent, seen.received, seen.left);
        self.measure(seen);
        if self.refusals > TOLERATED { Fits::No } else { Fits::Yes }
    }

    /// What has come back since an earlier answer, which says how fast: to within one unit, as what is left has no fraction.
    fn measure(&mut self, seen: &Sighting) {
        // Only an answer that nothing else was on the way with tells how many were counted before it.
        if !seen.alone || seen.refused {
            if let Some(start) = &mut self.since {
                start.accepted += u64::from(!seen.refused);
            }
            return;
        }
        let Some(start) = &mut self.since else {
            self.since = Some(Start { sent: seen.sent, left: seen.left, accepted: 0 });
            return;
        };
        start.accepted += 1;
        let span = seen.received.saturating_duration_since(start.sent);
        let came =
            seen.left.saturating_add(start.accepted).saturating_sub(start.left).saturating_sub(1);
        if span >= MEASURED_OVER {
            self.rate = self.rate.max(came as f64 / span.as_secs_f64());
        }
    }

    fn now(&self, now: Instant, limit: u64) -> u64 {
        let passed = self.level.at().map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let came = passed.as_secs_f64() * self.rate * self.share;
        self.level.left().saturating_add(came as u64).min(limit)
    }

    pub(super) const fn rate(&self) -> f64 {
        self.rate
    }
}
