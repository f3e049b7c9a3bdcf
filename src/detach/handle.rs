use std::{fmt, sync::Arc, time::Duration};

use super::queue::Queue;

/// Shuts the queue of a layer down, and says how much is in it. It outlives the layer, and keeps nothing running.
#[derive(Clone)]
pub struct DetachHandle {
    queue: Arc<Queue>,
}

/// What became of the requests that were pending when the queue was shut down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub(super) completed: usize,
    pub(super) failed: usize,
    pub(super) dropped: usize,
}

// === impl DetachHandle ===

impl DetachHandle {
    pub(super) const fn new(queue: Arc<Queue>) -> Self {
        Self { queue }
    }

    /// How many requests were answered with 202 and have not come to an end: those in the queue and those under way.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.queue.pending()
    }

    /// Takes on no more requests, from this call on and for good, and waits until those that are pending have come to an end.
    /// `limit` after the first poll of the future, what is left is given up.
    ///
    /// Each request that is given up is a [`Failure`](super::Failure) with the cause
    /// [`Discarded`](super::Cause::Discarded) or [`Interrupted`](super::Cause::Interrupted), and all are told before the
    /// future is ready. A limit of zero gives up at once all that is pending.
    ///
    /// If the future is dropped, the queue stays shut and goes on to be worked off, without a limit. It may be called again, to
    /// give it another limit: the earliest holds for all.
    ///
    /// # Panics
    ///
    /// The future panics outside of a tokio runtime that has its timers enabled.
    pub fn shutdown(&self, limit: Duration) -> impl Future<Output = Report> + Send + use<> {
        let before = self.queue.close();
        Arc::clone(&self.queue).drain(before, limit)
    }
}

impl fmt::Debug for DetachHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetachHandle").field("pending", &self.pending()).finish_non_exhaustive()
    }
}

// === impl Report ===

impl Report {
    /// How many succeeded.
    #[must_use]
    pub const fn completed(&self) -> usize {
        self.completed
    }

    /// How many were sent and failed.
    #[must_use]
    pub const fn failed(&self) -> usize {
        self.failed
    }

    /// How many were given up, unsent or under way.
    #[must_use]
    pub const fn dropped(&self) -> usize {
        self.dropped
    }

    pub(super) const fn sum(self) -> usize {
        self.completed + self.failed + self.dropped
    }

    pub(super) const fn plus(self, more: Self) -> Self {
        Self {
            completed: self.completed + more.completed,
            failed: self.failed + more.failed,
            dropped: self.dropped + more.dropped,
        }
    }

    pub(super) const fn since(self, before: Self) -> Self {
        Self {
            completed: self.completed - before.completed,
            failed: self.failed - before.failed,
            dropped: self.dropped - before.dropped,
        }
    }
}
