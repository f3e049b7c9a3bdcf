//! So many a second.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    super::{Verdict, View, ago, later},
    Heard, Next, Silent,
    blocked::Blocked,
};

/// The pace quickens by so much of itself in a second until the limit is met: fast while it was hardly measured, then gently, so
/// that a limit that was raised is found.
const QUICKENS: (f64, f64) = (0.3, 0.01);

/// So many accepted requests between refusals are a good measure.
const GOOD_MEASURE: u64 = 40;

/// Shorter spans measure nothing.
const MEASURED_OVER: Duration = Duration::from_millis(200);

/// No pace is slower than one in this.
const SLOWEST: Duration = Duration::from_secs(60);

/// So many refusals on end, and all is learned anew.
const GIVE_UP: u32 = 4;

/// An even pace, for a limiter that lets single requests through at a rate (a leaky bucket).
///
/// At each refusal such a bucket is empty. So what was accepted from one refusal to another, over the time between, is the rate
/// itself, and the longer ago the first of them the more exactly.
#[derive(Debug)]
pub(in super::super) struct Pace {
    since: Instant,
    accepted: u64,
    per_second: f64,
    /// The same when the last answer came, which is all that the server has agreed to.
    agreed: f64,
    due: Instant,
    quickened: Instant,
    /// The pace is what was measured over many requests.
    measured: bool,
    refusals: u32,
}

// === impl Pace ===

impl Pace {
    pub(super) fn new(since: Instant, accepted: u64, heard: &Heard) -> Self {
        let span = heard.sent.saturating_duration_since(since).max(Duration::from_millis(1));
        let per_second = (accepted as f64 / span.as_secs_f64()).max(0.001);
        let mut pace = Self {
            since,
            accepted,
            per_second,
            agreed: per_second,
            due: heard.received,
            quickened: heard.received,
            measured: false,
            refusals: 0,
        };
        pace.due = later(heard.received, pace.interval());
        pace
    }

    pub(super) fn turn(&self, view: &View) -> Verdict {
        if view.now >= self.due { Verdict::Go } else { Verdict::At(self.due) }
    }

    pub(super) fn sent(&mut self, now: Instant) {
        let interval = self.interval();
        let passed =
            now.saturating_duration_since(self.quickened).min(Duration::from_secs(1)).as_secs_f64();
        let quickens =
            if self.accepted < GOOD_MEASURE || !self.measured { QUICKENS.0 } else { QUICKENS.1 };
        self.per_second *= 1.0 + quickens * passed;
        self.quickened = now;
        let late = now.saturating_duration_since(self.due).min(interval);
        self.due = later(now, interval - late);
    }

    /// The next may go at once, in place of the one that never left, and no faster than the server has agreed to.
    pub(super) fn unsent(&mut self, now: Instant) {
        self.per_second = self.per_second.min(self.agreed);
        self.due = ago(self.due, self.interval()).max(now);
    }

    pub(super) fn accepted(&mut self) -> Next {
        self.accepted += 1;
        self.agreed = self.per_second;
        self.refusals = 0;
        Next::Stay
    }

    pub(super) fn refused(&mut self, heard: &Heard) -> Next {
        self.refusals += 1;
        if self.refusals >= GIVE_UP {
            return Next::Go(Silent::Blocked(Blocked::new(self.accepted, heard)));
        }
        let span = heard.sent.saturating_duration_since(self.since);
        if span >= MEASURED_OVER {
            self.per_second = (self.accepted as f64 / span.as_secs_f64()).max(0.001);
            self.measured = self.accepted >= GOOD_MEASURE;
        } else {
            self.per_second *= 0.8;
        }
        self.agreed = self.per_second;
        let wait = heard.retry_after.unwrap_or_else(|| self.interval());
        self.due = self.due.max(later(heard.received, wait));
        Next::Stay
    }

    /// It was refused again, although it waited.
    pub(super) const fn is_at_a_loss(&self) -> bool {
        self.refusals > 1
    }

    pub(super) const fn rate(&self) -> f64 {
        self.per_second
    }

    fn interval(&self) -> Duration {
        Duration::try_from_secs_f64(1.0 / self.per_second).unwrap_or(SLOWEST).min(SLOWEST)
    }
}
