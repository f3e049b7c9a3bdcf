//! An even rate.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    super::{Verdict, View, ago, later},
    Headerless, Next, RoundTrip,
    blocked::Blocked,
    trial::SMALL,
};

/// The share by which the pace quickens each second until the limit is met: at most, while it was hardly measured, and at least, so
/// that a raised limit is found.
const QUICKENS: (f64, f64) = (0.3, 0.01);

/// The longer nothing is rate limited, the farther off the limit must be: in this time the quickening about doubles.
const BOLDER: Duration = Duration::from_secs(4);

/// Shorter spans measure nothing, nor do fewer successes since the last rate-limited response.
const MEASURED_OVER: Duration = Duration::from_millis(200);
const MEASURED_BY: u64 = 8;

/// This many successes are a good measure of a bucket that holds more than one.
const GOOD_MEASURE: u64 = 40;

/// A pace that could not be measured yet slows down to this share of it.
const SLOWED: f64 = 0.8;

/// A single rate-limited response of a bucket of one slows the pace to no less than this share.
const NEAR: f64 = 0.95;

/// The interval of the slowest pace.
const SLOWEST: Duration = Duration::from_secs(60);

/// After this many rate-limited responses in a row everything is learned anew.
const GIVE_UP: u32 = 4;

/// An even pace, for a limiter that lets single requests through at a rate (a leaky bucket).
///
/// Such a bucket is empty at each rate-limited response. So the successes from one such response to another, over the time between,
/// are the rate itself: the more exactly, the longer ago the first of them was. A bucket of one loses what is not used at once; for
/// it they are no more than the rate, and the pace approaches it from one rate-limited response to the next.
#[derive(Debug)]
pub(in super::super) struct Pace {
    since: Instant,
    accepted: u64,
    /// When the last request was sent that was rate limited, and the successes until then.
    last: (Instant, u64),
    /// Whether the bucket holds more than one, so that after a late request the next may come sooner.
    holds_more: bool,
    per_second: f64,
    /// The pace when the last response came: the server has accepted no more than that.
    agreed: f64,
    due: Instant,
    quickened: Instant,
    /// The last measurement.
    was_measured: f64,
    /// The share by which the pace quickens each second.
    quickens: f64,
    /// Rate-limited responses in a row.
    rate_limited: u32,
}

// === impl Pace ===

impl Pace {
    /// `accepted` since the first rate-limited request, and a first block of `block` before that.
    pub(super) fn new(since: Instant, accepted: u64, block: u64, trip: &RoundTrip) -> Self {
        let span = trip.sent.saturating_duration_since(since).max(Duration::from_millis(1));
        let per_second = (accepted as f64 / span.as_secs_f64()).max(0.001);
        let mut pace = Self {
            since,
            accepted,
            last: (trip.sent, accepted),
            holds_more: block > SMALL,
            per_second,
            agreed: per_second,
            due: trip.received,
            quickened: trip.received,
            was_measured: per_second,
            quickens: QUICKENS.0,
            rate_limited: 0,
        };
        pace.due = later(trip.received, pace.interval());
        pace
    }

    pub(super) fn check(&self, view: &View) -> Verdict {
        if view.now >= self.due { Verdict::Go } else { Verdict::At(self.due) }
    }

    pub(super) fn on_sent(&mut self, now: Instant) {
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

    /// The next request takes the place of the one that never left, no faster than the server has accepted.
    pub(super) fn on_unsent(&mut self, now: Instant) {
        self.per_second = self.per_second.min(self.agreed);
        self.due = ago(self.due, self.interval()).max(now);
    }

    pub(super) fn on_accepted(&mut self) -> Next {
        self.accepted += 1;
        self.agreed = self.per_second;
        self.rate_limited = 0;
        Next::Stay
    }

    pub(super) fn on_rate_limited(&mut self, trip: &RoundTrip) -> Next {
        self.rate_limited += 1;
        if self.rate_limited >= GIVE_UP {
            return Next::Go(Headerless::Blocked(Blocked::new(self.accepted, trip)));
        }
        let too_fast = self.per_second;
        match self.measured(trip.sent) {
            Some(measured) => {
                // The more two measurements differ, the farther off the rate may be.
                let differ = (measured / self.was_measured - 1.0).abs();
                let few = self.holds_more && self.accepted < GOOD_MEASURE;
                self.quickens =
                    if few { QUICKENS.0 } else { (differ / 2.0).clamp(QUICKENS.1, QUICKENS.0) };
                (self.per_second, self.was_measured) = (measured, measured);
            }
            None => self.per_second *= SLOWED,
        }
        if !self.holds_more && self.rate_limited == 1 && trip.retry_after.is_none() {
            // It came a little too soon. Late timers make a measured pace slower than it need be.
            self.per_second = self.per_second.max(too_fast * NEAR);
        }
        self.last = (trip.sent, self.accepted);
        self.agreed = self.per_second;
        let wait = trip.retry_after.unwrap_or_else(|| self.interval());
        self.due = self.due.max(later(trip.received, wait));
        Next::Stay
    }

    /// The successes from one rate-limited response to another, over the time between: the higher of the rates since the first and
    /// since the last.
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

    /// A request was rate limited again although it waited.
    pub(super) const fn is_inexplicable(&self) -> bool {
        self.rate_limited > 1
    }

    pub(super) const fn rate(&self) -> f64 {
        self.per_second
    }

    fn interval(&self) -> Duration {
        Duration::try_from_secs_f64(1.0 / self.per_second).unwrap_or(SLOWEST).min(SLOWEST)
    }
}
