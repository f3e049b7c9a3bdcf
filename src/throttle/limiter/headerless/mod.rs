//! A server that shows no counters: what it takes is found out by what it refuses.

use std::time::Duration;

use tokio::time::Instant;

use self::{blocked::Blocked, cycle::Cycle, pace::Pace, ramp::Ramp, trial::Trial};
use super::{Kind, Verdict, View};

mod blocked;
mod cycle;
mod growth;
mod pace;
mod ramp;
mod trial;

/// A server that shows no counters.
///
/// ```text
///            refused            accepted             refused early
///   Ramp ──────────────▶ Blocked ────────▶ Trial ──────────────────▶ Pace
///    as many as were      one probe at     a second, whole            so many a second
///    accepted already     a time            block, and its limit
///                            ▲                │
///                            │ no period fits ▼
///                            └───────────── Cycle    at most the limit in any period
/// ```
///
/// When nothing was accepted before it was blocked, it ramps up again; when three or fewer were, it goes at a pace without a trial.
#[derive(Debug)]
pub(super) enum Silent {
    Ramp(Ramp),
    Blocked(Blocked),
    Trial(Trial),
    Cycle(Box<Cycle>),
    Pace(Pace),
}

/// What becomes of a phase after an answer.
#[derive(Debug)]
enum Next {
    Stay,
    Go(Silent),
}

/// One answer of such a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub(super) sent: Instant,
    pub(super) received: Instant,
    pub(super) retry_after: Option<Duration>,
}

// === impl Silent ===

impl Default for Silent {
    fn default() -> Self {
        Self::Ramp(Ramp::default())
    }
}

impl Silent {
    #[inline]
    pub(super) fn turn(&mut self, view: &View) -> Verdict {
        match self {
            Self::Ramp(ramp) => ramp.turn(view),
            Self::Blocked(blocked) => blocked.turn(view),
            Self::Trial(trial) => trial.turn(view),
            Self::Cycle(cycle) => cycle.turn(view),
            Self::Pace(pace) => pace.turn(view),
        }
    }

    pub(super) fn sent(&mut self, now: Instant) {
        if let Self::Pace(pace) = self {
            pace.sent(now);
        }
    }

    pub(super) fn unsent(&mut self, now: Instant) {
        if let Self::Pace(pace) = self {
            pace.unsent(now);
        }
    }

    #[inline]
    pub(super) fn accepted(&mut self, heard: &Heard) {
        let next = match self {
            Self::Ramp(ramp) => ramp.accepted(),
            Self::Blocked(blocked) => blocked.accepted(heard),
            Self::Trial(trial) => trial.accepted(heard),
            Self::Cycle(cycle) => cycle.accepted(heard),
            Self::Pace(pace) => pace.accepted(),
        };
        self.step(next);
    }

    /// Whether the server counted it is not known, so it is taken to have.
    pub(super) fn lost(&mut self, sent: Instant, now: Instant) {
        match self {
            Self::Cycle(cycle) => cycle.lost(sent, now),
            Self::Ramp(_) | Self::Blocked(_) | Self::Trial(_) | Self::Pace(_) => {}
        }
    }

    pub(super) fn refused(&mut self, heard: &Heard) {
        let next = match self {
            Self::Ramp(ramp) => ramp.refused(heard),
            Self::Blocked(blocked) => blocked.refused(heard),
            Self::Trial(trial) => trial.refused(heard),
            Self::Cycle(cycle) => cycle.refused(heard),
            Self::Pace(pace) => pace.refused(heard),
        };
        self.step(next);
    }

    /// How likely it is that only others explain the last refusal: they do if an even pace was refused twice on end.
    pub(super) fn is_at_a_loss(&self) -> f64 {
        match self {
            Self::Cycle(cycle) if cycle.is_at_a_loss() => 0.3,
            Self::Pace(pace) if pace.is_at_a_loss() => 1.0,
            _ => 0.0,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Ramp(_) => Kind::Unknown,
            Self::Blocked(_) | Self::Trial(_) => Kind::Learning,
            Self::Cycle(cycle) => Kind::Window { length: cycle.length() },
            Self::Pace(pace) => Kind::Bucket { per_second: pace.rate() },
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
