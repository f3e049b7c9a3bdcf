//! Nothing was refused yet.

use super::{
    super::{Verdict, View},
    Heard, Next, Silent,
    blocked::Blocked,
};

/// Doubling ends here: from then on a quarter more at a time, since all that is out at the limit is refused.
const DOUBLED_TO: u64 = 8;

/// Of those that hang, up to so many are made up for at a time: an endpoint may be slow with each answer.
const MADE_UP_FOR: u64 = 16;

/// Nothing was refused yet: as many may be out as were accepted already, and some more.
///
/// A server without a limit is at full speed after a few round trips, and one with a limit refuses no more than were out.
#[derive(Debug, Default)]
pub(in super::super) struct Ramp {
    accepted: u64,
}

// === impl Ramp ===

impl Ramp {
    /// The server had been closed from the very first request on, and has just accepted one.
    pub(super) const fn opened() -> Self {
        Self { accepted: 1 }
    }

    pub(super) fn turn(&self, view: &View) -> Verdict {
        let may_be_out = (self.accepted + 1).min(DOUBLED_TO).max(self.accepted / 4);
        let may_be_out = may_be_out.max(view.hanging.min(MADE_UP_FOR));
        if view.awaited < may_be_out { Verdict::Go } else { Verdict::Answer }
    }

    pub(super) fn accepted(&mut self) -> Next {
        self.accepted += 1;
        Next::Stay
    }

    pub(super) fn refused(&mut self, heard: &Heard) -> Next {
        Next::Go(Silent::Blocked(Blocked::new(self.accepted, heard)))
    }
}
