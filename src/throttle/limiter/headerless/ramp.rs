//! Nothing was rate limited yet.

use super::{
    super::{Verdict, View},
    Headerless, Next, RoundTrip,
    blocked::Blocked,
};

/// Up to this many in flight the concurrency doubles; then it grows by a quarter, since all that is in flight at the limit is rate
/// limited.
const DOUBLED_TO: u64 = 8;

/// The most hanging requests that are replaced at a time: an endpoint may be slow with each response.
const MAX_REPLACED: u64 = 16;

/// Nothing was rate limited yet: as many may be in flight as were accepted already, and some more.
///
/// A server without a limit is at full speed after a few round trips, and one with a limit rejects no more than were in flight.
#[derive(Debug, Default)]
pub(in super::super) struct Ramp {
    accepted: u64,
}

// === impl Ramp ===

impl Ramp {
    /// The server rejected the very first request, and has just accepted one.
    pub(super) const fn opened() -> Self {
        Self { accepted: 1 }
    }

    pub(super) fn check(&self, view: &View) -> Verdict {
        let concurrency = (self.accepted + 1).min(DOUBLED_TO).max(self.accepted / 4);
        let concurrency = concurrency.max(view.hanging.min(MAX_REPLACED));
        if view.awaited < concurrency { Verdict::Go } else { Verdict::AfterResponse }
    }

    pub(super) fn on_accepted(&mut self) -> Next {
        self.accepted += 1;
        Next::Stay
    }

    pub(super) fn on_rate_limited(&mut self, trip: &RoundTrip) -> Next {
        Next::Go(Headerless::Blocked(Blocked::new(self.accepted, trip)))
    }
}
