//! One counter in the responses' headers, and the kind of limiter behind it.

use std::time::{Duration, SystemTime};

use crate::moment::Moment;

use self::{
    bucket::Bucket, fixed::Fixed, gain::Gain, scouts::Scouts, shift::Shift, usage::Usage,
    window::Window,
};
#[cfg(feature = "shared")]
use super::Knowledge;
use super::{
    LimiterKind, Observation, Reading, Reset, Verdict, View, in_flight::counted_by, later,
    ledger::Ledger,
};
use crate::headers::ServerClock;

mod bucket;
mod fixed;
mod gain;
mod scouts;
mod shift;
mod usage;
mod window;

/// A limiter is a bucket if it shows itself as one within this time.
const YOUTH: Duration = Duration::from_secs(10);

/// A counter that so many responses in a row do not show is no longer there.
const FORGOTTEN_AFTER: u32 = 8;

/// Whether the server's limiter fits the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fits {
    Yes,
    No,
}

/// A response with this counter, as the quota gets it.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) sent: Moment,
    pub(super) observation: &'a Observation,
    pub(super) reading: &'a Reading,
}

/// A response, as one counter sees it.
#[derive(Clone, Copy, Debug)]
struct Sample {
    sent: Moment,
    received: Moment,
    /// When the server had counted it.
    counted_by: Moment,
    /// Whether this counter was the reason for a rejection.
    rate_limited: bool,
    limit: u64,
    left: u64,
    /// How many other requests are in flight.
    in_flight: u64,
    /// Nothing else was in flight with it: what was counted before it is known exactly.
    alone: bool,
    date: Option<SystemTime>,
    /// The reset is a time from the response on, rounded anew each time.
    rounds_anew: bool,
}

/// One counter in the responses' headers.
#[derive(Debug)]
pub(super) struct Counter {
    pub(super) name: u64,
    limit: u64,
    model: Model,
    scouts: Scouts,
    /// Requests that were accepted lately, for a change of the model.
    entries: Ledger,
    shift: Shift,
    gain: Gain,
    /// The limiter was treated as a bucket and rejected too often to be one.
    no_bucket: bool,
    begun: Moment,
    received: Moment,
    /// Responses in a row that did not show it.
    unseen: u32,
    usage: Usage,
    /// The last reset and `Date` from which the usage has learned how long a window is: mostly the next ones are the same.
    measured: Option<(SystemTime, SystemTime)>,
}

/// The kind of limiter behind a counter, as far as its responses show.
#[derive(Debug)]
enum Model {
    Fixed(Fixed),
    Window(Window),
    Bucket(Bucket),
}

// === impl Counter ===

impl Counter {
    pub(super) fn new(reading: &Reading, view: &View<'_>) -> Self {
        let model = match reading.reset {
            Some(Reset::At(reset)) => Model::Fixed(Fixed::new(reset)),
            Some(Reset::In(_)) | None => Model::Window(Window::new(Ledger::default())),
        };
        Self {
            name: reading.name,
            limit: reading.limit.unwrap_or(reading.remaining.saturating_add(1)),
            model,
            scouts: Scouts::default(),
            entries: Ledger::default(),
            shift: Shift::default(),
            gain: Gain::default(),
            no_bucket: false,
            begun: view.now,
            received: view.now,
            unseen: 0,
            usage: Usage::new(view.now),
            measured: None,
        }
    }

    pub(super) fn check(&mut self, view: &View<'_>, clock: &ServerClock) -> Verdict {
        match &mut self.model {
            Model::Fixed(fixed) => fixed.check(view, clock, self.limit, &self.scouts),
            Model::Window(window) => window.check(view, self.limit, &self.scouts),
            Model::Bucket(bucket) => bucket.check(view, self.limit),
        }
    }

    pub(super) fn on_sent(&mut self, now: Moment) {
        self.scouts.on_sent(now);
    }

    pub(super) fn on_unsent(&mut self, sent: Moment) {
        self.scouts.on_unsent(sent);
    }

    /// The most requests that can be sent before a moment, if that is certain.
    pub(super) fn max_permits_before(
        &self,
        moment: Moment,
        view: &View<'_>,
        clock: &ServerClock,
    ) -> Option<u64> {
        match &self.model {
            Model::Fixed(fixed) => fixed.max_permits_before(moment, view, clock, self.limit),
            Model::Window(window) => window.max_permits_before(moment, view, self.limit),
            Model::Bucket(_) => None,
        }
    }

    /// The limit, what is left of it, and when more comes.
    pub(super) fn left(&self, view: &View<'_>, clock: &ServerClock) -> (u64, u64, Moment) {
        let (left, at) = match &self.model {
            Model::Fixed(fixed) => fixed.left(view, clock),
            Model::Window(window) => window.left(view, self.limit),
            Model::Bucket(bucket) => bucket.left(view, self.limit),
        };
        (self.limit, left, at)
    }

    pub(super) fn kind(&self) -> LimiterKind {
        match &self.model {
            Model::Fixed(fixed) => LimiterKind::FixedWindow { length: fixed.length() },
            Model::Window(window) => LimiterKind::SlidingWindow { length: window.length() },
            Model::Bucket(bucket) => LimiterKind::Bucket { per_second: bucket.rate() },
        }
    }

    /// What is certain of it, for the other processes of a fleet.
    #[cfg(feature = "shared")]
    pub(super) fn knowledge(&self, view: &View<'_>, clock: &ServerClock) -> Option<Knowledge> {
        let (limit, left, _) = self.left(view, clock);
        Some(match &self.model {
            Model::Fixed(fixed) => {
                let length = fixed.length().filter(|_| fixed.is_proven());
                let (earliest, latest) = fixed.end(view, clock);
                Knowledge::Window { limit, left, length, end: (earliest.into(), latest.into()) }
            }
            Model::Window(window) => {
                let per_second = limit as f64 / window.length()?.as_secs_f64();
                Knowledge::Rate { limit: None, per_second, left: None }
            }
            Model::Bucket(bucket) => {
                Knowledge::Rate { limit: Some(limit), per_second: bucket.rate(), left: Some(left) }
            }
        })
    }

    /// A response to a request that was sent after the last one with this counter did not show it. Returns whether it is no longer
    /// there.
    pub(super) fn on_unseen(&mut self, sent: Moment) -> bool {
        self.unseen += u32::from(sent >= self.received);
        self.unseen >= FORGOTTEN_AFTER
    }

    /// Whether the reading is one of this counter.
    pub(super) fn is_shown_by(&self, reading: &Reading) -> bool {
        self.name == reading.name && reading.limit.is_none_or(|limit| limit == self.limit)
    }

    /// When the last response with this counter came.
    pub(super) const fn received(&self) -> Moment {
        self.received
    }

    /// Returns whether the request was rejected, and only other processes explain it.
    pub(super) fn read(
        &mut self,
        view: &View<'_>,
        report: &Report<'_>,
        clock: &mut ServerClock,
    ) -> bool {
        let sample = self.sample(view, report);
        let is_foreign = sample.rate_limited && self.usage.is_less_than_half(self.limit);
        if !sample.rate_limited && matches!(self.model, Model::Fixed(_)) {
            self.entries.add(sample.sent, sample.counted_by, 1);
        }
        if !self.no_bucket && self.is_young(view.now) {
            let line = self.gain.read(&sample);
            let shift = report.reading.reset.and_then(|reset| self.shift.read(&sample, reset));
            if let Some(rate) = shift.or(line) {
                self.model = Model::Bucket(Bucket::new(rate, &sample));
            }
        }
        self.update_model(view, &sample, report.reading.reset, clock);
        is_foreign
    }

    fn sample(&mut self, view: &View<'_>, report: &Report<'_>) -> Sample {
        let Report { sent, observation, reading } = *report;
        let in_flight = view.in_flight.unsettled();
        let alone = in_flight == 0 && self.received <= sent;
        self.received = view.now;
        self.unseen = 0;
        self.limit = match reading.limit {
            Some(limit) => limit,
            // It is at least what is left, and this request.
            None => self.limit.max(reading.remaining.saturating_add(1)),
        };
        let left = reading.remaining.min(self.limit);
        let rate_limited = observation.rate_limited && left == 0;
        let back_in = match (reading.reset, observation.date) {
            (Some(Reset::In(wait)), _) => Some(wait),
            (Some(Reset::At(at)), Some(date)) if self.measured != Some((at, date)) => {
                self.measured = Some((at, date));
                at.duration_since(date).ok()
            }
            _ => None,
        };
        self.usage.read(view.now, !rate_limited, back_in.map(|wait| wait.min(view.max_block)));
        Sample {
            sent,
            received: view.now,
            counted_by: counted_by(sent, view.now),
            rate_limited,
            limit: self.limit,
            left,
            in_flight,
            alone,
            date: observation.date,
            rounds_anew: matches!(reading.reset, Some(Reset::In(_))),
        }
    }

    fn update_model(
        &mut self,
        view: &View<'_>,
        sample: &Sample,
        reset: Option<Reset>,
        clock: &mut ServerClock,
    ) {
        let latest =
            |moment: Option<(Moment, Moment)>| moment.map(|(_, latest)| view.cap(latest, view.now));
        match (&mut self.model, reset) {
            (Model::Fixed(fixed), Some(Reset::At(reset))) => {
                if fixed.read(sample, reset, clock) == Fits::No {
                    let mut window = Window::new(std::mem::take(&mut self.entries));
                    window.reconcile(sample, latest(clock.when(reset)));
                    self.model = Model::Window(window);
                }
            }
            (Model::Fixed(_), _) => {}
            (Model::Window(window), Some(Reset::At(reset))) => {
                window.read(sample, latest(clock.when(reset)));
            }
            (Model::Window(window), Some(Reset::In(wait))) => {
                window.read(sample, Some(later(view.now, wait.min(view.max_block))));
            }
            (Model::Window(window), None) => window.read(sample, None),
            (Model::Bucket(bucket), _) => {
                if bucket.read(sample) == Fits::No {
                    self.no_bucket = true;
                    self.model = Model::Window(Window::new(Ledger::default()));
                }
            }
        }
    }

    /// A bucket shows itself at once. Later, other processes can make a window look like one.
    fn is_young(&self, now: Moment) -> bool {
        let proven = match &self.model {
            Model::Fixed(fixed) => fixed.is_proven(),
            Model::Window(window) => window.length().is_some(),
            Model::Bucket(_) => true,
        };
        !proven && now <= later(self.begun, YOUTH)
    }
}
