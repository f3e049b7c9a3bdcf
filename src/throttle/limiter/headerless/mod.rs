//! A server without rate-limit headers: the limit is learned from rate-limited responses.

use std::time::Duration;

use tokio::time::Instant;

use self::{blocked::Blocked, cycle::Cycle, pace::Pace, ramp::Ramp, trial::Trial};
use super::{LimiterKind, Verdict, View};

mod blocked;
mod cycle;
mod growth;
mod pace;
mod ramp;
mod trial;

/// The phases of learning a limit without headers.
///
/// ```text
///          rate limited           accepted          rate limited early
///   Ramp ──────────────▶ Blocked ────────▶ Trial ──────────────────▶ Pace
///    as many in flight    one probe at     a second, whole            an even rate
///    as were accepted     a time           block, and its limit
///                            ▲                │
///                            │ no period fits ▼
///                            └───────────── Cycle    at most the limit in any period
/// ```
///
/// If nothing was accepted before it was blocked, it ramps up again. After three or fewer it goes at a pace without a trial.
#[derive(Debug)]
pub(super) enum Headerless {
    Ramp(Ramp),
    Blocked(Blocked),
    Trial(Trial),
    Cycle(Box<Cycle>),
    Pace(Pace),
}

/// The phase after a response.
#[derive(Debug)]
enum Next {
    Stay,
    Go(Headerless),
}

/// A request with its response.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoundTrip {
    pub(super) sent: Instant,
    pub(super) received: Instant,
    pub(super) retry_after: Option<Duration>,
}

// === impl Headerless ===

impl Default for Headerless {
    fn default() -> Self {
        Self::Ramp(Ramp::default())
    }
}

impl Headerless {
    #[inline]
    pub(super) fn check(&mut self, view: &View) -> Verdict {
        match self {
            Self::Ramp(ramp) => ramp.check(view),
            Self::Blocked(blocked) => blocked.check(view),
            Self::Trial(trial) => trial.check(view),
            Self::Cycle(cycle) => cycle.check(view),
            Self::Pace(pace) => pace.check(view),
        }
    }

    pub(super) fn on_sent(&mut self, now: Instant) {
        if let Self::Pace(pace) = self {
            pace.on_sent(now);
        }
    }

    pub(super) fn on_unsent(&mut self, now: Instant) {
        if let Self::Pace(pace) = self {
            pace.on_unsent(now);
        }
    }

    /// A lost request is treated as counted by the server.
    pub(super) fn on_lost(&mut self, sent: Instant, now: Instant) {
        if let Self::Cycle(cycle) = self {
            cycle.on_lost(sent, now);
        }
    }

    #[inline]
    pub(super) fn on_accepted(&mut self, trip: &RoundTrip) {
        let next = match self {
            Self::Ramp(ramp) => ramp.on_accepted(),
            Self::Blocked(blocked) => blocked.on_accepted(trip),
            Self::Trial(trial) => trial.on_accepted(trip),
            Self::Cycle(cycle) => cycle.on_accepted(trip),
            Self::Pace(pace) => pace.on_accepted(),
        };
        self.step(next);
    }

    pub(super) fn on_rate_limited(&mut self, trip: &RoundTrip) {
        let next = match self {
            Self::Ramp(ramp) => ramp.on_rate_limited(trip),
            Self::Blocked(blocked) => blocked.on_rate_limited(trip),
            Self::Trial(trial) => trial.on_rate_limited(trip),
            Self::Cycle(cycle) => cycle.on_rate_limited(trip),
            Self::Pace(pace) => pace.on_rate_limited(trip),
        };
        self.step(next);
    }

    /// The likelihood that only other processes explain the last rate-limited response.
    pub(super) fn contention(&self) -> f64 {
        match self {
            Self::Cycle(cycle) if cycle.is_inexplicable() => 0.3,
            Self::Pace(pace) if pace.is_inexplicable() => 1.0,
            _ => 0.0,
        }
    }

    pub(super) fn kind(&self) -> LimiterKind {
        match self {
            Self::Ramp(_) => LimiterKind::Unknown,
            Self::Blocked(_) | Self::Trial(_) => LimiterKind::Learning,
            Self::Cycle(cycle) => LimiterKind::SlidingWindow { length: cycle.length() },
            Self::Pace(pace) => LimiterKind::Bucket { per_second: pace.rate() },
        }
    }

    /// The limit, if it was learned.
    pub(super) fn limit(&self) -> Option<u64> {
        match self {
            Self::Cycle(cycle) => Some(cycle.limit()),
            _ => None,
        }
    }

    fn step(&mut self, next: Next) {
        if let Next::Go(phase) = next {
            *self = phase;
        }
    }
}
