//! An even rate.

use std::time::Duration;

use crate::moment::Moment;

use super::{
    super::{Verdict, ago, later},
    RoundTrip,
    growth::Growth,
};

/// So many successes measure a rate.
const MEASURED_BY: u64 = 8;

/// The successes until the rate is tried to be higher.
const UNIT: f64 = 40.0;
const FIRST_UNIT: f64 = 12.0;

/// A pace that could not be measured yet slows down to this part of it.
const SLOWED: f64 = 0.8;

/// A single rejection of a bucket of one slows down to no less than this part.
const NEAR: f64 = 0.98;

/// A late request leaves the next so much less to wait, where the bucket holds more than one.
const LATE: Duration = Duration::from_millis(20);

/// The slowest pace, in requests per second.
const SLOWEST: f64 = 1.0 / 60.0;

/// No rejection leads to a slower pace than this, but of a request that waited for such a pace: a client that sends once an hour is not
/// rejected because of its rate.
pub(super) const SLOW: f64 = 0.8;

/// An even pace.
///
/// Where a bucket lets single requests through at a rate it is empty at each rejection. So the successes from one rejection to
/// another, over the time between, are that rate.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: f64,
    /// The last rejection, and the successes since then.
    last: (Moment, u64),
    /// The pace to return to, if the rejections in a row turn out to be an outage.
    before_run: f64,
    holds_more: bool,
    /// Whether the rate was measured while slow responses limited the concurrency, and no rejection has shown more of it yet.
    is_guess: bool,
    due: Moment,
    /// When a request last had to wait for it.
    waited: Moment,
    growth: Growth,
}

// === impl Pace ===

impl Pace {
    pub(super) fn new(per_second: f64, holds_more: bool, now: Moment) -> Self {
        let mut pace = Self {
            per_second: per_second.max(SLOWEST),
            last: (now, 0),
            before_run: per_second,
            holds_more,
            is_guess: false,
            due: now,
            waited: now,
            growth: Growth::new(if holds_more { UNIT } else { FIRST_UNIT }, Duration::ZERO, now),
        };
        pace.due = later(now, pace.gap(now));
        pace
    }

    pub(super) const fn guessed(mut self, is_guess: bool) -> Self {
        self.is_guess = is_guess;
        self
    }

    pub(super) fn check(&mut self, now: Moment) -> Verdict {
        if now >= self.due {
            return Verdict::Go;
        }
        self.waited = now;
        Verdict::At(self.due)
    }

    pub(super) fn on_sent(&mut self, now: Moment) {
        let late = if self.holds_more { LATE } else { Duration::ZERO };
        self.due = later(self.due.max(ago(now, late)), self.gap(now));
    }

    /// The next request takes the place of the one that never left.
    pub(super) fn on_unsent(&mut self, now: Moment) {
        self.due = ago(self.due, self.gap(now)).max(now);
    }

    /// Returns whether the pace is no longer of use.
    pub(super) fn on_accepted(&mut self, trip: &RoundTrip) -> bool {
        self.growth.on_accepted();
        self.last.1 += 1;
        let now = trip.received;
        self.growth.units(now) > 4.0 && later(self.waited, Duration::from_secs(5)) < now
    }

    /// Returns whether the rate does not explain it.
    /// `is_first` if something was accepted since the last one.
    pub(super) fn on_rejected(
        &mut self,
        trip: &RoundTrip,
        proven: f64,
        least: f64,
        is_first: bool,
    ) -> bool {
        let now = trip.received;
        let (was, units) = (self.per_second, self.growth.units(now));
        let sent_at = was * self.growth.factor(now);
        let over = |(since, accepted): (Moment, u64)| {
            let span = trip.sent.saturating_duration_since(since).as_secs_f64().max(0.001);
            (accepted >= MEASURED_BY).then_some(accepted as f64 / span)
        };
        let measured = over(self.last);
        let was_paced = later(self.waited, self.gap(now) * 2) >= trip.sent;
        // That one came so rarely is no measure of a pace, where the callers asked for no more.
        let slowest = if was_paced { was * SLOWED } else { was };
        let least = least.max(SLOW.min(slowest)).max(SLOWEST);
        self.per_second = match measured {
            // A bucket of one loses what is not used at once: it came a little too soon.
            Some(_) if !self.holds_more && is_first => sent_at.max(was * NEAR),
            // A first guess that was doubled again and again: what was accepted on average says little.
            Some(measured) if self.is_guess && units > 4.0 => measured.max(sent_at * SLOWED),
            Some(measured) => measured.min(sent_at),
            None => was * SLOWED,
        };
        self.is_guess = false;
        self.per_second = self.per_second.max(least);
        if is_first {
            self.before_run = sent_at * SLOWED;
        }
        let is_same = (self.per_second / was - 1.0).abs() < 0.1;
        self.growth =
            self.growth.again(UNIT, is_same && units > 1.0 && self.per_second > SLOW, now);
        self.last = (trip.sent, 0);
        let wait = trip.wait.unwrap_or_default().max(self.gap(now));
        self.due = self.due.max(later(now, wait));
        // A bucket of one rejects what comes a little early on its way.
        let near = if self.holds_more { 1.0 } else { 0.25 };
        units <= near || sent_at < proven
    }

    /// The server was closed, and a probe was accepted.
    pub(super) fn resume(&mut self, was_long: bool, now: Moment) {
        if was_long {
            // The pace was not at fault for all of these.
            self.per_second = self.before_run;
        }
        self.last = (now, 0);
        self.growth = self.growth.again(UNIT, was_long && self.per_second > SLOW, now);
        self.due = later(now, self.gap(now));
    }

    pub(super) const fn rate(&self) -> f64 {
        self.per_second
    }

    pub(super) fn gap(&self, now: Moment) -> Duration {
        let rate = self.per_second * self.growth.factor(now);
        Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX)
    }
}
