use std::{fmt, sync::Arc, time::Duration};

use super::queue::Queue;

/// Shuts the queue of a layer down, and shows its length. A handle may outlive the layer, and keeps nothing running.
#[derive(Clone)]
pub struct DetachHandle {
    queue: Arc<Queue>,
}

/// How many of the pending requests ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DetachReport {
    pub(super) succeeded: usize,
    pub(super) failed: usize,
    pub(super) dropped: usize,
}

// === impl DetachHandle ===

impl DetachHandle {
    pub(super) const fn new(queue: Arc<Queue>) -> Self {
        Self { queue }
    }

    /// The number of requests that got a 202 and have not ended: those in the queue and those in flight.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.queue.pending()
    }

    /// Rejects new requests from this call on, and waits for the pending ones to end. Those that are left `limit` after the
    /// future's first poll are dropped.
    ///
    /// Each dropped request is a [`Failure`](super::Failure), `Discarded` or `Interrupted`. All callbacks have run when the future
    /// is ready. A limit of zero drops all pending requests at once.
    ///
    /// If the future is dropped, the queue stays shut down and the pending requests are still sent, without a limit. With several
    /// calls the earliest limit applies.
    ///
    /// # Panics
    ///
    /// The future panics outside of a tokio runtime with time enabled.
    pub fn shutdown(&self, limit: Duration) -> impl Future<Output = DetachReport> + Send + use<> {
        let before = self.queue.close();
        Arc::clone(&self.queue).shut_down(before, limit)
    }
}

impl fmt::Debug for DetachHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetachHandle").field("pending", &self.pending()).finish_non_exhaustive()
    }
}

// === impl DetachReport ===

impl DetachReport {
    /// The number of requests that succeeded.
    #[must_use]
    pub const fn succeeded(&self) -> usize {
        self.succeeded
    }

    /// The number of requests that were sent and failed.
    #[must_use]
    pub const fn failed(&self) -> usize {
        self.failed
    }

    /// The number of requests that were dropped, in the queue or in flight.
    #[must_use]
    pub const fn dropped(&self) -> usize {
        self.dropped
    }

    pub(super) const fn sum(self) -> usize {
        self.succeeded + self.failed + self.dropped
    }

    pub(super) const fn plus(self, more: Self) -> Self {
        Self {
            succeeded: self.succeeded + more.succeeded,
            failed: self.failed + more.failed,
            dropped: self.dropped + more.dropped,
        }
    }

    pub(super) const fn since(self, before: Self) -> Self {
        Self {
            succeeded: self.succeeded - before.succeeded,
            failed: self.failed - before.failed,
            dropped: self.dropped - before.dropped,
        }
    }
}
