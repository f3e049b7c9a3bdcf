//! The time of the store, as a process reads it from one reply.

use std::time::Duration;

use tokio::time::Instant;

use super::ask::Nanos;

/// The last reply of the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoreClock {
    /// Its time.
    store: Nanos,
    /// When the question was sent, and when the reply came.
    sent: Instant,
    received: Instant,
}

// === impl StoreClock ===

impl StoreClock {
    pub(super) const fn new(store: Nanos, sent: Instant, received: Instant) -> Self {
        Self { store, sent, received }
    }

    /// The time of the store when it replied.
    pub(super) const fn replied(&self) -> Nanos {
        self.store
    }

    /// The time of the store, as it was when the reply came or later.
    pub(super) fn now(&self, now: Instant) -> Nanos {
        self.store.saturating_add(nanos(now.saturating_duration_since(self.received)))
    }

    /// The latest moment of the process at which it is this time at the store.
    pub(super) fn late(&self, at: Nanos) -> Option<Instant> {
        moved(self.received, at, self.store)
    }

    /// The earliest one.
    pub(super) fn early(&self, at: Nanos) -> Option<Instant> {
        moved(self.sent, at, self.store)
    }

    /// An interval of the process as one of the store.
    pub(super) fn stored(&self, (earliest, latest): (Instant, Instant)) -> (Nanos, Nanos) {
        let at = |at: Instant, base: Instant| match at.checked_duration_since(base) {
            Some(after) => self.store.saturating_add(nanos(after)),
            None => self.store.saturating_sub(nanos(base.saturating_duration_since(at))),
        };
        (at(earliest, self.received), at(latest, self.sent))
    }
}

fn moved(base: Instant, at: Nanos, store: Nanos) -> Option<Instant> {
    match at.checked_sub(store) {
        Some(after) => base.checked_add(Duration::from_nanos(after)),
        None => base.checked_sub(Duration::from_nanos(store - at)),
    }
}

pub(super) fn nanos(span: Duration) -> Nanos {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
