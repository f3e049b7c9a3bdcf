//! So many a second.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    super::{Verdict, View, ago, later},
    Heard, Next, Silent,
    blocked::Blocked,
};

/// The pace quickens by so much of itself in a second until the limit is met: at most, while it was hardly measured, and at least,
/// so that a limit that was raised is found.
const QUICKENS: (f64, f64) = (0.3, 0.01);

/// The longer nothing is refused, the farther off the limit must be: in this time the pace comes to quicken about twice as much.
const BOLDER: Duration = Duration::from_secs(4);

/// Shorter spans measure nothing, nor do fewer accepted requests since the last refusal.
const MEASURED_OVER: Duration = Duration::from_millis(200);
const MEASURED_BY: u64 = 8;

/// So many accepted requests are a good measure, of a bucket that holds more than one.
const GOOD_MEASURE: u64 = 40;

/// A pace that could not be measured yet is slowed down to this part of it.
const SLOWED: f64 = 0.8;

/// A single refusal of a bucket of one takes the pace down no further than this.
const NEAR: f64 = 0.95;

/// No pace is slower than one in this.
const SLOWEST: Duration = Duration::from_secs(60);

/// So many refusals on end, and all is learned anew.
const GIVE_UP: u32 = 4;

/// An even pace, for a limiter that lets single requests through at a rate (a leaky bucket).
///
/// At each refusal such a bucket is empty. So what was accepted from one refusal to another, over the time between, is the rate
/// itself, and the longer ago the first of them the more exactly. One that holds a single request loses what is not used at once:
/// there it is no more than the rate, and the pace comes nearer to it from one refusal to the next.
#[derive(Debug)]
pub(in super::super) struct Pace {
    since: Instant,
    accepted: u64,
    /// When it was refused last, and how many were accepted until then.
    last: (Instant, u64),
    /// The bucket holds more than one, so that a request that is late lets the next come sooner.
    holds_more: bool,
    per_second: f64,
    /// The same when the last answer came, which is all that the server has agreed to.
    agreed: f64,
    due: Instant,
    quickened: Instant,
    /// What was measured last.
    was_measured: f64,
    /// By so much of itself in a second.
    quickens: f64,
    refusals: u32,
}

// === impl Pace ===

impl Pace {
    /// `accepted` since it was refused; a first block of `block` was accepted before that.
    pub(super) fn new(since: Instant, accepted: u64, block: u64, heard: &Heard) -> Self {
        let span = heard.sent.saturating_duration_since(since).max(Duration::from_millis(1));
        let per_second = (accepted as f64 / span.as_secs_f64()).max(0.001);
        let mut pace = Self {
            since,
            accepted,
            last: (heard.sent, accepted),
            holds_more: block > super::trial::SMALL,
            per_second,
            agreed: per_second,
            due: heard.received,
            quickened: heard.received,
            was_measured: per_second,
            quickens: QUICKENS.0,
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
        self.per_second *= 1.0 + self.quickens * passed;
        self.quickens = (self.quickens * (1.0 + passed / BOLDER.as_secs_f64())).min(QUICKENS.0);
        self.quickened = now;
        let late =
            if self.holds_more { now.saturating_duration_since(self.due) } else { Duration::ZERO };
        self.due = later(now, interval.saturating_sub(late));
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
        let asked = self.per_second;
        match self.measured(heard.sent) {
            Some(measured) => {
                // The more two measurements differ, the farther the next is to be looked for.
                let differ = (measured / self.was_measured - 1.0).abs();
                let few = self.holds_more && self.accepted < GOOD_MEASURE;
                self.quickens =
                    if few { QUICKENS.0 } else { (differ / 2.0).clamp(QUICKENS.1, QUICKENS.0) };
                (self.per_second, self.was_measured) = (measured, measured);
            }
            None => self.per_second *= SLOWED,
        }
        if !self.holds_more && self.refusals == 1 && heard.retry_after.is_none() {
            // It came a little too soon. Timers that are late make a measured pace slower than it need be.
            self.per_second = self.per_second.max(asked * NEAR);
        }
        self.last = (heard.sent, self.accepted);
        self.agreed = self.per_second;
        let wait = heard.retry_after.unwrap_or_else(|| self.interval());
        self.due = self.due.max(later(heard.received, wait));
        Next::Stay
    }

    /// What was accepted from one refusal to another, over the time between.
    fn measured(&self, now: Instant) -> Option<f64> {
        let over = |since: Instant, accepted: u64| {
            let span = now.saturating_duration_since(since);
            let rate = accepted as f64 / span.as_secs_f64().max(0.001);
            (span >= MEASURED_OVER && accepted > 0).then_some(rate.max(0.001))
        };
        let (last, before) = self.last;
        let lately = self.accepted.saturating_sub(before);
        let lately = over(last, lately).filter(|_| lately >= MEASURED_BY);
        over(self.since, self.accepted).into_iter().chain(lately).reduce(f64::max)
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
