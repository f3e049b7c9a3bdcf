//! The input and the verdict of each part of a quota.

use std::time::Duration;

use tokio::time::Instant;

/// What every part may know when it is asked for a permit.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) now: Instant,
    /// Requests that the server may yet count.
    pub(super) in_flight: u64,
    /// Requests in flight whose response may come soon: all but the hanging ones.
    pub(super) awaited: u64,
    /// Requests that have had no response for too long.
    pub(super) hanging: u64,
    /// Hanging requests that the server counted long ago, or never will: not in `in_flight`.
    pub(super) settled: u64,
    /// The average round trip.
    pub(super) rtt: Duration,
    /// The time added to each predicted moment.
    pub(super) margin: Duration,
    /// The longest wait.
    pub(super) max_block: Duration,
}

/// Whether a request may be sent, as far as one part knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Go,
    /// Not before this moment.
    At(Instant),
    /// Not before a response comes.
    AfterResponse,
}

// === impl View ===

impl View {
    /// The earlier of a moment and the longest wait from `since` on.
    pub(super) fn cap(&self, moment: Instant, since: Instant) -> Instant {
        moment.min(later(since, self.max_block))
    }

    /// Allows a single request, and another when that one hangs.
    pub(super) const fn probe(&self) -> Verdict {
        if self.awaited == 0 { Verdict::Go } else { Verdict::AfterResponse }
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
pub(super) fn later(moment: Instant, span: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(1 << 31);
    moment.checked_add(span.min(FAR)).unwrap_or(moment)
}

/// `moment - span`, saturating.
pub(super) fn ago(moment: Instant, span: Duration) -> Instant {
    moment.checked_sub(span).unwrap_or(moment)
}
