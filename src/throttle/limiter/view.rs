//! The input and the verdict of each part of a quota.

use std::time::Duration;

use crate::moment::Moment;

use super::in_flight::InFlight;

/// The time added to each moment at which something comes back: timers and clocks are no more exact.
pub(super) const MARGIN: Duration = Duration::from_millis(2);

/// What every part may know when it is asked for a permit.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) now: Moment,
    pub(super) in_flight: &'a InFlight,
    /// The average round trip.
    pub(super) rtt: Duration,
    /// The longest wait.
    pub(super) max_block: Duration,
}

/// Whether a request may be sent, as far as one part knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Go,
    /// Not before this moment.
    At(Moment),
    /// Not before a response comes.
    AfterResponse,
}

// === impl View ===

impl View<'_> {
    /// The earlier of a moment and the longest wait from `since` on.
    pub(super) fn cap(&self, moment: Moment, since: Moment) -> Moment {
        moment.min(later(since, self.max_block))
    }

    /// Allows a single request, and another when that one hangs.
    pub(super) fn probe(&self) -> Verdict {
        if self.awaited() == 0 { Verdict::Go } else { Verdict::AfterResponse }
    }

    /// Requests in flight whose response may come soon: all but the hanging ones.
    #[inline]
    pub(super) fn awaited(&self) -> u64 {
        self.in_flight.all() - self.hanging()
    }

    /// Requests that have had no response for too long.
    #[inline]
    pub(super) fn hanging(&self) -> u64 {
        self.in_flight.hanging(self.now)
    }
}

// === impl Verdict ===

impl Verdict {
    /// The stricter of two verdicts.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Go, verdict) | (verdict, Self::Go) => verdict,
            (Self::At(one), Self::At(other)) => Self::At(one.max(other)),
            (Self::At(at), Self::AfterResponse) | (Self::AfterResponse, Self::At(at)) => {
                Self::At(at)
            }
            (Self::AfterResponse, Self::AfterResponse) => Self::AfterResponse,
        }
    }
}

/// `moment + span`, saturating.
#[inline]
pub(super) const fn later(moment: Moment, span: Duration) -> Moment {
    moment.later(span)
}

/// `moment - span`, saturating.
#[inline]
pub(super) const fn ago(moment: Moment, span: Duration) -> Moment {
    moment.ago(span)
}
