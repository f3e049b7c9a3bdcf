//! What the parts are told, and what they answer.

use std::time::Duration;

use tokio::time::Instant;

/// What every part may know when it is asked for a turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) now: Instant,
    /// Those that the server may yet count.
    pub(super) out: u64,
    /// Those of which something may be heard soon: the out ones without those that hang.
    pub(super) awaited: u64,
    /// Those that have had no answer for too long.
    pub(super) hanging: u64,
    /// Those of them that the server has counted long ago, or never: not in `out`.
    pub(super) settled: u64,
    /// How long a round trip takes.
    pub(super) rtt: Duration,
    /// What is added to each predicted moment.
    pub(super) margin: Duration,
    /// No wait is longer than this.
    pub(super) max_hold: Duration,
}

/// Whether one may be sent, as far as one part goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Go,
    /// Not before.
    At(Instant),
    /// Not before an answer comes.
    Answer,
}

// === impl View ===

impl View {
    /// A moment, or the longest wait from the one at which it was told, whichever comes first.
    pub(super) fn cap(&self, moment: Instant, told: Instant) -> Instant {
        moment.min(later(told, self.max_hold))
    }

    /// One alone may go, and another when that one hangs.
    pub(super) const fn probe(&self) -> Verdict {
        if self.awaited == 0 { Verdict::Go } else { Verdict::Answer }
    }
}

// === impl Verdict ===

impl Verdict {
    /// Both have to allow it.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Go, verdict) | (verdict, Self::Go) => verdict,
            (Self::At(one), Self::At(other)) => Self::At(one.max(other)),
            (Self::At(at), Self::Answer) | (Self::Answer, Self::At(at)) => Self::At(at),
            (Self::Answer, Self::Answer) => Self::Answer,
        }
    }
}

/// So much later, as far as the clock can tell it.
pub(super) fn later(moment: Instant, span: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(1 << 31);
    moment.checked_add(span.min(FAR)).unwrap_or(moment)
}

/// So much earlier, as far as the clock can tell it.
pub(super) fn ago(moment: Instant, span: Duration) -> Instant {
    moment.checked_sub(span).unwrap_or(moment)
}
