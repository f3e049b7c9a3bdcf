//! What the server lets through, where no header shows it.

use std::time::Duration;

use crate::moment::Moment;

use self::{
    closed::{Closed, FIRST_GAP},
    delivered::Delivered,
    noise::Noise,
    pace::{Pace, SLOW},
    window::{Met, Window},
};
use super::{
    LimiterKind, Verdict, View,
    in_flight::{ARRIVES_WITHIN, counted_by},
    ledger::Ledger,
    period::Period,
};

mod closed;
mod delivered;
mod growth;
mod noise;
mod pace;
mod window;

/// Up to this many in flight the concurrency doubles with the successes; then it grows by a quarter of them, since all that is in
/// flight at the limit is rejected.
const DOUBLED_TO: u64 = 8;

/// The most hanging requests that are replaced at a time: an endpoint may be slow with each response.
const MAX_REPLACED: u64 = 16;

/// A block of this few says nothing of a window: the limiter may let single requests through.
const SMALL: u64 = 3;

/// One more of so many is tried one by one, and so many at most.
const EDGE: u64 = 16;

/// Rejections in a row, at a pace that the server has accepted, after which it is closed. One in 64 random ones of half of all
/// requests are as many.
const RUN: u32 = 6;

/// A window that is longer than this is not filled at once: it may be a lock-out instead, and an even pace shows it.
const LONGEST_BURST: Duration = Duration::from_secs(15);

/// A rejection below this part of what the server has accepted lately is not explained by the rate.
const PROVEN: f64 = 0.9;

/// After so many accepted requests a fleet is told that there is no limit.
#[cfg(feature = "shared")]
const OPEN: u64 = 100;

/// One estimate of what is not announced: a rate, and a window if one fits.
#[derive(Debug, Default)]
pub(super) struct Estimate {
    model: Model,
    /// The server rejects what is sent: single probes.
    closed: Option<Closed>,
    /// Rejections in a row, each of a request that was sent after the last of them came.
    run: u32,
    /// When the last of them came: requests sent before tell nothing new.
    last: Option<Moment>,
    /// The probe that found the server open, and the successes since then.
    reopened: Option<Reopened>,
    block: u64,
    noise: Noise,
    delivered: Delivered,
}

#[derive(Debug)]
enum Model {
    /// Nothing is known to hold. As many in flight as were accepted: a server without a limit is at full speed after a few round
    /// trips, and one with a limit rejects no more than were in flight.
    Open { accepted: u64 },
    /// A second block, with care: the first may have begun in the middle of a window, or spanned two. This one is whole.
    Trial(Box<Trial>),
    /// At most a limit in any period.
    Window(Box<Window>),
    /// An even rate.
    Pace(Pace),
}

/// A block that begins where the last one ended.
#[derive(Debug)]
struct Trial {
    /// The size of the first block, and for how long the server was closed after it.
    edge: u64,
    closed_for: Duration,
    accepted: Ledger,
}

/// The probe that found the server open.
#[derive(Clone, Copy, Debug)]
struct Reopened {
    /// When the last request before it was sent, which was rejected.
    before: Moment,
    trip: RoundTrip,
}

/// A request with its response.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoundTrip {
    pub(super) sent: Moment,
    pub(super) received: Moment,
    pub(super) wait: Option<Duration>,
    /// Whether the response was a failure: 503 or 529.
    pub(super) has_failed: bool,
}

// === impl Estimate ===

impl Estimate {
    #[inline]
    pub(super) fn check(&mut self, view: &View<'_>) -> Verdict {
        if let Some(closed) = &self.closed {
            return closed.check(view);
        }
        if let Some(verdict) = self.noise.check(view.now) {
            return verdict;
        }
        match &mut self.model {
            Model::Open { accepted } => {
                let most = (*accepted + 1).min(DOUBLED_TO).max(*accepted / 4);
                let most = most.max(view.hanging().min(MAX_REPLACED));
                // A request that was lost is over: to a server that resets every connection the next one goes at once.
                let awaited = view.in_flight.unanswered() - view.hanging();
                if awaited < most { Verdict::Go } else { Verdict::AfterResponse }
            }
            Model::Trial(trial) => {
                let accepted = trial.accepted.count();
                let most = (accepted + 1).min((trial.edge / 4).max(1));
                let left = trial.edge.saturating_sub(accepted).max(1);
                if view.awaited() < most.min(left) { Verdict::Go } else { Verdict::AfterResponse }
            }
            Model::Window(window) => window.check(view),
            Model::Pace(pace) => pace.check(view.now),
        }
    }

    /// Whether a limit is known or being learned, beyond a slow start.
    pub(super) const fn is_limiting(&self) -> bool {
        self.closed.is_some() || !matches!(self.model, Model::Open { .. })
    }

    /// Whether the server has rejected a probe too, and nothing was accepted since.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.as_ref().is_some_and(|closed| closed.probes() > 0)
    }

    /// Whether the server fails whatever is sent, for longer than a limit explains.
    pub(super) fn is_down(&self) -> bool {
        self.closed.as_ref().is_some_and(Closed::is_down)
    }

    #[inline]
    pub(super) fn on_sent(&mut self, now: Moment) {
        if let Some(closed) = &mut self.closed {
            closed.on_sent(now);
        }
        if self.noise.on_sent(now) {
            return;
        }
        if let Model::Pace(pace) = &mut self.model {
            pace.on_sent(now);
        }
    }

    pub(super) fn on_unsent(&mut self, now: Moment) {
        if let Model::Pace(pace) = &mut self.model {
            pace.on_unsent(now);
        }
    }

    /// A lost request is treated as counted by the server.
    pub(super) fn on_lost(&mut self, sent: Moment, now: Moment) {
        if let Model::Window(window) = &mut self.model {
            window.on_lost(sent, now);
        }
    }

    #[inline]
    pub(super) fn on_accepted(&mut self, trip: &RoundTrip) {
        self.delivered.add(trip.received);
        self.block += 1;
        if self.last.is_none_or(|last| trip.sent >= last) {
            self.run = 0;
        }
        match &self.closed {
            Some(closed) if closed.is_probe(trip) => return self.reopen(trip),
            _ => {}
        }
        self.noise.on_response(trip.sent, false);
        if self.noise.is_over(trip.received) {
            self.try_slower(trip);
        }
        let is_over = match &mut self.model {
            Model::Open { accepted } => {
                *accepted += 1;
                false
            }
            Model::Trial(trial) => {
                trial.accepted.add(trip.sent, counted_by(trip.sent, trip.received), 1);
                let accepted = trial.accepted.count();
                let may_be_window = trial.edge > SMALL && trial.closed_for <= LONGEST_BURST / 2;
                if may_be_window && accepted >= trial.edge {
                    let mut period = Period::default();
                    period.not_yet(trial.closed_for);
                    let accepted = std::mem::take(&mut trial.accepted);
                    let window = Window::new(trial.edge, period, accepted, trip.received);
                    self.model = Model::Window(Box::new(window));
                    return;
                }
                // Beyond the edge it goes one by one, and then it is none.
                accepted > trial.edge + (trial.edge / EDGE).clamp(2, EDGE)
            }
            Model::Window(window) => window.on_accepted(trip),
            Model::Pace(pace) => pace.on_accepted(trip),
        };
        if is_over {
            // It accepts much more than the limit was thought to be, or no caller waits for it any more.
            self.model = Model::Open { accepted: DOUBLED_TO * 4 };
            self.noise.forget();
        }
    }

    /// Returns whether a wait that the server asked for holds all requests. `is_explained` if a counter has shown why.
    pub(super) fn on_rejected(&mut self, trip: &RoundTrip, is_explained: bool) -> bool {
        let is_new = self.last.is_none_or(|last| trip.sent >= last);
        if let Some(closed) = &mut self.closed {
            closed.on_rejected(trip);
            self.last = Some(trip.received);
            return true;
        }
        self.noise.on_response(trip.sent, true);
        if let Some(rate) = self.noise.depends_on_rate(trip.sent) {
            self.model = Model::Pace(Pace::new(rate, true, trip.received));
            self.noise.forget();
            self.delivered.set(rate, trip.received);
        }
        if !is_new {
            return !self.noise.is_likely();
        }
        self.last = Some(trip.received);
        self.run += 1;
        if is_explained {
            if self.run > 1 {
                self.close(trip, false);
            }
            return true;
        }
        if self.noise.is_on() {
            if self.run >= RUN {
                self.close(trip, false);
                return true;
            }
            if self.noise.is_over(trip.received) {
                self.try_slower(trip);
            }
            return false;
        }
        let was_likely = self.noise.is_likely();
        let proven = self.delivered.proven() * PROVEN;
        let mut is_unexplained = false;
        match &mut self.model {
            Model::Open { .. } | Model::Trial(_) => self.close(trip, true),
            Model::Window(window) => {
                let rate = window.rate();
                let met = window.on_rejected(trip);
                let is_explained = matches!(met, Met::Limit | Met::Period) && rate >= proven;
                is_unexplained = !is_explained;
                match met {
                    Met::Limit if self.run == 1 => {}
                    Met::Period if self.run < RUN => {}
                    met => self.close(trip, met == Met::AnotherLimit),
                }
            }
            Model::Pace(pace) => {
                let least = self.delivered.floor();
                is_unexplained = pace.on_rejected(trip, proven, least, self.run == 1);
                if self.run == 1 && !is_unexplained {
                    self.noise.calm();
                }
                if self.run >= RUN {
                    self.delivered.lower_floor();
                    self.close(trip, false);
                }
            }
        }
        if is_unexplained && self.run == 1 {
            let most = self.delivered.most(trip.received);
            self.noise.on_unexplained(most, trip.received);
        }
        self.run > 1 || !was_likely
    }

    fn close(&mut self, trip: &RoundTrip, relearn: bool) {
        let gap = match &self.model {
            Model::Pace(pace) if !self.noise.is_on() => pace.gap(trip.received),
            _ => Duration::ZERO,
        };
        let explained = match &self.model {
            Model::Open { .. } | Model::Trial(_) => Duration::ZERO,
            Model::Window(window) => window.length(),
            Model::Pace(_) => gap * 2,
        };
        self.closed = Some(Closed::new(trip, gap, explained, relearn));
    }

    /// A probe was accepted.
    fn reopen(&mut self, trip: &RoundTrip) {
        let Some(closed) = self.closed.take() else { return };
        let (begun, block) = (
            self.reopened.replace(Reopened { before: closed.last(), trip: *trip }),
            self.block - 1,
        );
        self.block = 1;
        self.run = 0;
        let closed_for = closed.closed_for();
        let is_outage = closed.probes() >= RUN || closed.rejected_for() > LONGEST_BURST;
        if self.noise.is_on() {
            if is_outage {
                self.noise.forget();
                self.model = Model::Open { accepted: 1 };
            }
            return;
        }
        if closed.relearns() && closed.is_down() {
            // An outage says nothing of a limit.
            self.model = Model::Open { accepted: DOUBLED_TO * 4 };
            return;
        }
        if !closed.relearns() {
            match &mut self.model {
                Model::Pace(pace) => pace.resume(is_outage, trip.received),
                Model::Window(window) => window.resume(trip),
                Model::Open { .. } | Model::Trial(_) => {}
            }
            return;
        }
        let (Some(begun), Model::Trial(trial)) = (begun, &self.model) else {
            let edge = match &self.model {
                Model::Window(window) => window.limit(),
                _ => block,
            };
            let is_first = block == 0 || block == 1 && closed.had_wait();
            self.model = if is_first {
                Model::Open { accepted: 1 }
            } else {
                // The first block may have begun in the middle of a window, or the server was closed for reasons of its own.
                let mut accepted = Ledger::default();
                accepted.add(trip.sent, counted_by(trip.sent, trip.received), 1);
                Model::Trial(Box::new(Trial { edge, closed_for: closed.rejected_for(), accepted }))
            };
            return;
        };
        let first = trial.edge;
        // A whole cycle, from one reopening to the next.
        let cycle = trip.sent.saturating_duration_since(begun.trip.sent);
        let rate = block as f64 / cycle.max(FIRST_GAP).as_secs_f64();
        let proven = self.delivered.proven();
        let is_lower = rate < proven * PROVEN;
        let is_window = block > SMALL && closed_for * 4 >= cycle;
        // That one request was rejected, with a wait, does not mean that others were too.
        let is_window = is_window && (closed.probes() > 0 || !is_lower);
        self.model = if is_window && cycle <= LONGEST_BURST {
            // A window begins before the probe that finds it. A wait in whole seconds leads from one of them to the next.
            let from = if closed.had_wait() { begun.trip.sent } else { begun.before };
            let mut period = Period::default();
            let not_yet = closed.last().saturating_duration_since(begun.trip.received);
            period.not_yet(not_yet.min(cycle));
            period.back(trip.received.saturating_duration_since(from));
            let mut accepted = Ledger::default();
            accepted.add(trip.sent, counted_by(trip.sent, trip.received), 1);
            Model::Window(Box::new(Window::new(block, period, accepted, trip.received)))
        } else {
            // A window of less than one a second may be a lock-out.
            let least = if is_window { 1.0 } else { (proven / 2.0).max(SLOW) };
            let rate = rate.max(least);
            let is_slow = trip.received.saturating_duration_since(trip.sent) > ARRIVES_WITHIN;
            Model::Pace(Pace::new(rate, first > SMALL, trip.received).guessed(is_slow))
        };
        if is_lower {
            self.noise.on_unexplained(self.delivered.most(trip.received), trip.received);
        }
    }

    /// Whether the rejections still do not depend on the rate.
    fn try_slower(&mut self, trip: &RoundTrip) {
        let rate = self.noise.rest(trip.received);
        self.model = Model::Pace(Pace::new(rate, true, trip.received));
    }

    pub(super) fn kind(&self) -> LimiterKind {
        match &self.model {
            _ if self.closed.is_some() => LimiterKind::Learning,
            _ if self.noise.is_on() => LimiterKind::Unknown,
            Model::Open { .. } => LimiterKind::Unknown,
            Model::Trial(_) => LimiterKind::Learning,
            Model::Window(window) => LimiterKind::SlidingWindow { length: Some(window.length()) },
            Model::Pace(pace) => LimiterKind::Bucket { per_second: pace.rate() },
        }
    }

    /// What is certain, for the other processes of a fleet.
    #[cfg(feature = "shared")]
    pub(super) fn knowledge(&self) -> Option<super::Knowledge> {
        if self.closed.is_some() || self.noise.is_on() {
            return None;
        }
        let rate = |per_second| super::Knowledge::Rate { limit: None, per_second, left: None };
        match &self.model {
            Model::Open { accepted } => (*accepted >= OPEN).then_some(super::Knowledge::Open),
            Model::Trial(_) => None,
            Model::Window(window) => window.is_proven().then(|| rate(window.rate())),
            Model::Pace(pace) => Some(rate(pace.rate())),
        }
    }

    /// The limit, if it was learned.
    pub(super) fn limit(&self) -> Option<u64> {
        match &self.model {
            Model::Window(window) => Some(window.limit()),
            _ => None,
        }
    }
}

// === impl Model ===

impl Default for Model {
    fn default() -> Self {
        Self::Open { accepted: 0 }
    }
}
