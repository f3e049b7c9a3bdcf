//! A bucket that refills steadily.

use std::time::Duration;

use crate::moment::Moment;

use super::{
    super::{MARGIN, Verdict, View, later, level::Level},
    Fits, Sample,
};

/// The shortest span over which a rate is measured.
const MEASURED_OVER: Duration = Duration::from_millis(500);

/// A rate-limited response lowers the share and the rate to these parts of them, a unit that was left over raises the share.
const TAKEN: f64 = 0.8;
const SLOWER: f64 = 0.99;
const LEFT: f64 = 1.02;
const LEAST_SHARE: f64 = 0.1;

/// After more rate-limited responses than this it is no bucket.
const TOLERATED: u32 = 12;

/// A bucket that refills steadily, up to the limit: what is left rises with time, and its reset is when it is full.
///
/// ```text
///  limit ┤▔▔▔╲
///        │    ╲        one each 1/rate
///      0 ┤     ╲╱│╱│╱│╱│╱│╱│
/// ```
#[derive(Debug)]
pub(super) struct Bucket {
    level: Level,
    /// Units per second; rather too low than too high, since what it misses shows as left over and is then used.
    rate: f64,
    /// Where the measurement began.
    since: Option<Start>,
    /// The part of the rate that other processes leave.
    share: f64,
    rate_limited: u32,
}

#[derive(Clone, Copy, Debug)]
struct Start {
    sent: Moment,
    left: u64,
    /// How many requests were counted since.
    accepted: u64,
}

// === impl Bucket ===

impl Bucket {
    pub(super) fn new(rate: f64, sample: &Sample) -> Self {
        let mut level = Level::default();
        level.read(sample.sent, sample.counted_by, sample.left);
        Self { level, rate, since: None, share: 1.0, rate_limited: 0 }
    }

    pub(super) fn check(&self, view: &View<'_>, limit: u64) -> Verdict {
        let need = view.in_flight.unsettled().saturating_add(1);
        if self.now(view.now, limit) >= need {
            return Verdict::Go;
        }
        let missing = need.saturating_sub(self.level.left());
        let at = self.level.at().unwrap_or(view.now);
        let wait = Duration::try_from_secs_f64(missing as f64 / (self.rate * self.share))
            .unwrap_or(Duration::MAX);
        let due = view.cap(later(later(at, wait), MARGIN), at);
        if view.now < due { Verdict::At(due) } else { view.probe() }
    }

    pub(super) fn left(&self, view: &View<'_>, limit: u64) -> (u64, Moment) {
        let missing = limit.saturating_sub(self.level.left());
        let full = Duration::try_from_secs_f64(missing as f64 / self.rate).unwrap_or(Duration::MAX);
        (
            self.now(view.now, limit).saturating_sub(view.in_flight.unsettled()),
            later(self.level.at().unwrap_or(view.now), full),
        )
    }

    pub(super) fn read(&mut self, sample: &Sample) -> Fits {
        if sample.rate_limited {
            self.rate_limited += 1;
            self.share = (self.share * TAKEN).max(LEAST_SHARE);
            self.rate *= SLOWER;
            self.since = None;
        } else if sample.left > 0 {
            self.rate_limited = self.rate_limited.saturating_sub(1);
            self.share = (self.share * LEFT).min(1.0);
        }
        self.level.read(sample.sent, sample.counted_by, sample.left);
        self.measure(sample);
        if self.rate_limited > TOLERATED { Fits::No } else { Fits::Yes }
    }

    /// Measures the rate by what has come back since an earlier response: to within one unit, as `left` has no fraction.
    fn measure(&mut self, sample: &Sample) {
        // How many were counted before a response is only certain if nothing else was in flight.
        if !sample.alone || sample.rate_limited {
            if let Some(start) = &mut self.since {
                start.accepted += u64::from(!sample.rate_limited);
            }
            return;
        }
        let Some(start) = &mut self.since else {
            self.since = Some(Start { sent: sample.sent, left: sample.left, accepted: 0 });
            return;
        };
        start.accepted += 1;
        let span = sample.received.saturating_duration_since(start.sent);
        let came =
            sample.left.saturating_add(start.accepted).saturating_sub(start.left).saturating_sub(1);
        if span >= MEASURED_OVER {
            self.rate = self.rate.max(came as f64 / span.as_secs_f64());
        }
    }

    fn now(&self, now: Moment, limit: u64) -> u64 {
        let passed = self.level.at().map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let came = passed.as_secs_f64() * self.rate * self.share;
        self.level.left().saturating_add(came as u64).min(limit)
    }

    pub(super) const fn rate(&self) -> f64 {
        self.rate
    }
}
