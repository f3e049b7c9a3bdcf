//! One counter that the server shows, and which kind of limiter is behind it.

use std::{
    collections::VecDeque,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use self::{
    bucket::Bucket,
    fixed::Fixed,
    gain::Gain,
    scouts::Scouts,
    usage::Own,
    window::{Entry, Window},
};
use super::{Kind, Reading, Reset, Verdict, View, later};
use crate::headers::ServerClock;

mod bucket;
mod fixed;
mod gain;
mod scouts;
mod usage;
mod window;

/// Resets of whole seconds say no more than this; two that differ by less say nothing.
const COARSE: Duration = Duration::from_millis(1_500);

/// Resets with a fraction of a second.
const FINE: Duration = Duration::from_millis(50);

/// How long a limiter is watched for being a bucket.
const YOUTH: Duration = Duration::from_secs(10);

/// More are not kept for a change of kind.
const MAX_ENTRIES: usize = 1_024;

/// Whether the server keeps to a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fits {
    Yes,
    No,
}

/// One answer, as one counter sees it.
#[derive(Clone, Copy, Debug)]
struct Sighting {
    sent: Instant,
    received: Instant,
    refused: bool,
    limit: u64,
    left: u64,
    /// How many others are still out.
    out: u64,
    /// Nothing else was on the way while it was: what was counted before it is known exactly.
    alone: bool,
    date: Option<SystemTime>,
    /// The reset is a time from the answer on, and not a moment.
    rounds_anew: bool,
}

/// One counter that the server shows.
#[derive(Debug)]
pub(super) struct Counter {
    pub(super) name: u64,
    limit: u64,
    model: Model,
    scouts: Scouts,
    /// What was accepted lately, for a change of kind.
    entries: VecDeque<Entry>,
    first: Option<Before>,
    gain: Gain,
    /// It is no bucket: taken for one, it refused too often.
    no_bucket: bool,
    begun: Instant,
    received: Instant,
    own: Own,
}

/// What kind of limiter is behind it, as far as can be told.
#[derive(Debug)]
enum Model {
    Fixed(Fixed),
    Window(Window),
    Bucket(Bucket),
}

/// An earlier answer, to tell a bucket by.
#[derive(Clone, Copy, Debug)]
struct Before {
    sent: Instant,
    received: Instant,
    left: u64,
    reset: Reset,
}

// === impl Counter ===

impl Counter {
    pub(super) fn new(reading: &Reading, view: &View) -> Self {
        let model = match reading.reset {
            Some(Reset::At(reset)) => Model::Fixed(Fixed::new(reset)),
            Some(Reset::In(_)) | None => Model::Window(Window::new(VecDeque::new())),
        };
        Self {
            name: reading.name,
            limit: reading.limit.unwrap_or(reading.remaining.saturating_add(1)),
            model,
            scouts: Scouts::default(),
            entries: VecDeque::new(),
            first: None,
            gain: Gain::default(),
            no_bucket: false,
            begun: view.now,
            received: view.now,
            own: Own::new(view.now),
        }
    }

    /// Whether one may be sent, as far as this counter goes.
    pub(super) fn turn(&mut self, view: &View, clock: &ServerClock) -> Verdict {
        match &mut self.model {
            Model::Fixed(fixed) => fixed.turn(view, clock, self.limit, &self.scouts),
            Model::Window(window) => window.turn(view, self.limit, &self.scouts),
            Model::Bucket(bucket) => bucket.turn(view, self.limit),
        }
    }

    /// Whether a new window was taken to have begun, since this was last asked.
    pub(super) fn has_turned_over(&mut self) -> bool {
        match &mut self.model {
            Model::Fixed(fixed) => fixed.has_turned_over(),
            Model::Window(_) | Model::Bucket(_) => false,
        }
    }

    pub(super) fn sent(&mut self, now: Instant) {
        self.scouts.sent(now);
    }

    pub(super) fn unsent(&mut self, sent: Instant) {
        self.scouts.unsent(sent);
    }

    /// How many can be sent at most before a moment, if that is certain.
    pub(super) fn turns_before(
        &self,
        moment: Instant,
        view: &View,
        clock: &ServerClock,
    ) -> Option<u64> {
        match &self.model {
            Model::Fixed(fixed) => fixed.turns_before(moment, view, clock, self.limit),
            Model::Window(window) => window.turns_before(moment, view, self.limit),
            Model::Bucket(_) => None,
        }
    }

    /// Limit, what is left, when more comes.
    pub(super) fn left(&self, view: &View, clock: &ServerClock) -> (u64, u64, Instant) {
        let (left, at) = match &self.model {
            Model::Fixed(fixed) => fixed.left(view, clock),
            Model::Window(window) => window.left(view, self.limit),
            Model::Bucket(bucket) => bucket.left(view, self.limit),
        };
        (self.limit, left, at)
    }

    pub(super) fn kind(&self) -> Kind {
        match &self.model {
            Model::Fixed(fixed) => Kind::FixedWindow { length: fixed.length() },
            Model::Window(window) => Kind::Window { length: window.length() },
            Model::Bucket(bucket) => Kind::Bucket { per_second: bucket.rate() },
        }
    }

    /// When it was last heard of.
    pub(super) const fn received(&self) -> Instant {
        self.received
    }

    /// Whether the answer was a refusal that only what others took explains.
    pub(super) fn read(
        &mut self,
        view: &View,
        sent: Instant,
        refused: bool,
        date: Option<SystemTime>,
        reading: &Reading,
        clock: &mut ServerClock,
    ) -> bool {
        let alone = view.out == 0 && self.received <= sent;
        self.received = view.now;
        if let Some(limit) = reading.limit {
            self.limit = limit;
        }
        let left = reading.remaining.min(self.limit);
        let refused = refused && left == 0;
        let back_in = match (reading.reset, date) {
            (Some(Reset::In(wait)), _) => Some(wait),
            (Some(Reset::At(at)), Some(date)) => at.duration_since(date).ok(),
            _ => None,
        };
        self.own.read(view.now, !refused, back_in.map(|wait| wait.min(view.max_hold)));
        let foreign = refused && self.own.is_less_than_half(self.limit);
        let seen = Sighting {
            sent,
            received: view.now,
            refused,
            limit: self.limit,
            left,
            out: view.out,
            alone,
            date,
            rounds_anew: matches!(reading.reset, Some(Reset::In(_))),
        };
        if !refused && matches!(self.model, Model::Fixed(_)) {
            if self.entries.len() >= MAX_ENTRIES {
                self.entries.pop_front();
            }
            self.entries.push_back(Entry { earliest: sent, latest: view.now });
        }
        if !self.no_bucket && self.is_young(view.now) {
            let line = self.gain.read(&seen);
            if let Some(rate) = self.bucket_rate(&seen, reading).or(line) {
                self.model = Model::Bucket(Bucket::new(rate, &seen));
            }
        }
        let ends = |wait: Duration| later(view.now, wait.min(view.max_hold));
        let at = |moment: Option<(Instant, Instant)>| {
            moment.map(|(_, latest)| view.cap(latest, view.now))
        };
        match (&mut self.model, reading.reset) {
            (Model::Fixed(fixed), Some(Reset::At(reset))) => {
                if fixed.read(&seen, reset, clock) == Fits::No {
                    let mut window = Window::new(std::mem::take(&mut self.entries));
                    self.entries.clear();
                    window.square(&seen, at(clock.when(reset)));
                    self.model = Model::Window(window);
                }
            }
            (Model::Fixed(_), _) => {}
            (Model::Window(window), Some(Reset::At(reset))) => {
                window.read(&seen, at(clock.when(reset)));
            }
            (Model::Window(window), Some(Reset::In(wait))) => window.read(&seen, Some(ends(wait))),
            (Model::Window(window), None) => window.read(&seen, None),
            (Model::Bucket(bucket), _) => {
                if bucket.read(&seen) == Fits::No {
                    self.no_bucket = true;
                    self.model = Model::Window(Window::new(VecDeque::new()));
                }
            }
        }
        foreign
    }

    /// A bucket shows itself at once. Later, others who send can make a window look like one.
    fn is_young(&self, now: Instant) -> bool {
        let proven = match &self.model {
            Model::Fixed(fixed) => fixed.is_proven(),
            Model::Window(window) => window.length().is_some(),
            Model::Bucket(_) => true,
        };
        !proven && now <= later(self.begun, YOUTH)
    }

    /// The rate of a bucket, if the answers show one: its reset moves away while what is left falls, faster than time passes.
    ///
    /// The reset of a fixed window stands still, and that of a sliding one moves no faster than time. That of a bucket is when it
    /// will be full again, and so each request puts it off.
    fn bucket_rate(&mut self, seen: &Sighting, reading: &Reading) -> Option<f64> {
        let reset = reading.reset?;
        let before = self.first.get_or_insert(Before {
            sent: seen.sent,
            received: seen.received,
            left: seen.left,
            reset,
        });
        let passed = seen.received.saturating_duration_since(before.sent);
        if passed > Duration::from_secs(1) || before.left < seen.left {
            *before = Before { sent: seen.sent, received: seen.received, left: seen.left, reset };
            return None;
        }
        let (moved, coarse) = match (before.reset, reset) {
            (Reset::At(was), Reset::At(is)) => (
                is.duration_since(was).ok()?,
                is_whole(since_epoch(is)) && is_whole(since_epoch(was)),
            ),
            (Reset::In(was), Reset::In(is)) => {
                let since = seen.sent.saturating_duration_since(before.received);
                (is.checked_sub(was)?.saturating_add(since), is_whole(is) && is_whole(was))
            }
            _ => return None,
        };
        if moved <= passed.saturating_add(if coarse { COARSE } else { FINE }) {
            return None;
        }
        let full_in = match (reset, seen.date) {
            (Reset::In(wait), _) => wait,
            (Reset::At(at), Some(date)) => at.duration_since(date).ok()?,
            (Reset::At(_), None) => moved,
        };
        let taken = seen.limit.saturating_sub(seen.left);
        (taken > 0).then(|| taken as f64 / full_in.as_secs_f64().max(0.001))
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

const fn is_whole(span: Duration) -> bool {
    span.subsec_nanos() == 0
}
