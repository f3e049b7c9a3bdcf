//! The first block that begins where the last one ended.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::{
    super::{Verdict, View},
    Heard, Next, Silent,
    cycle::Cycle,
    pace::Pace,
    ramp::Ramp,
};

/// So few are no window that is worth filling at once: at an even pace they are as many. And they may be one at a time.
pub(super) const SMALL: u64 = 3;

/// A second block, sent with care: the first may have begun in the middle of a window, or spanned two; this one is whole.
#[derive(Debug)]
pub(in super::super) struct Trial {
    /// As many as the first block.
    most: u64,
    /// When the server first refused.
    since: Instant,
    /// It refused for so long.
    closed_for: Duration,
    /// When the accepted ones were sent and came back.
    accepted: VecDeque<(Instant, Instant)>,
}

// === impl Trial ===

impl Trial {
    /// The first of the block was accepted. A small block says nothing of a window: the next may have come too soon after it, or,
    /// where the server `told` how long it is closed, for reasons of its own.
    pub(super) fn begin(
        block: u64,
        told: bool,
        since: Instant,
        closed_for: Duration,
        heard: &Heard,
    ) -> Next {
        let accepted = VecDeque::from([(heard.sent, heard.received)]);
        Next::Go(match block {
            0 => Silent::Ramp(Ramp::opened()),
            1 if told => Silent::Ramp(Ramp::opened()),
            1..=SMALL if !told => Silent::Pace(Pace::new(since, 1, block, heard)),
            _ => Silent::Trial(Self { most: block, since, closed_for, accepted }),
        })
    }

    pub(super) fn turn(&mut self, view: &View) -> Verdict {
        let accepted = self.accepted.len() as u64;
        let may_be_out = (accepted + 1).min((self.most / 4).max(1));
        if accepted + view.awaited >= self.most || view.awaited >= may_be_out {
            return Verdict::Answer;
        }
        Verdict::Go
    }

    pub(super) fn accepted(&mut self, heard: &Heard) -> Next {
        self.accepted.push_back((heard.sent, heard.received));
        if (self.accepted.len() as u64) < self.most {
            Next::Stay
        } else {
            self.cycle(heard.received)
        }
    }

    pub(super) fn refused(&mut self, heard: &Heard) -> Next {
        let accepted = self.accepted.len() as u64;
        let few = accepted <= 1 || accepted.saturating_mul(4) < self.most;
        if heard.retry_after.is_none() && few {
            return Next::Go(Silent::Pace(Pace::new(self.since, accepted, self.most, heard)));
        }
        self.cycle(heard.received)
    }

    fn cycle(&mut self, now: Instant) -> Next {
        Next::Go(Silent::Cycle(Box::new(Cycle::new(
            std::mem::take(&mut self.accepted),
            self.most,
            self.closed_for,
            now,
        ))))
    }
}
