use std::{collections::VecDeque, fmt, mem, sync::Arc};

use super::{DetachReport, pending::PendingRequest, send::Sending};
use crate::error::NotQueuedReason;

/// The bounds of a queue, as the layer that enqueues a request has them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    pub(super) max_queued: usize,
    pub(super) max_concurrent: usize,
}

/// A queued request.
pub(super) struct Job {
    pub(super) request: PendingRequest,
    pub(super) sending: Sending,
}

/// The requests of a queue, its workers, and its counts.
#[derive(Default)]
pub(super) struct State {
    pub(super) queued: VecDeque<Job>,
    /// Whoever takes a request out of here reports its end.
    pub(super) in_flight: Vec<(u64, PendingRequest)>,
    /// The number of the next request in flight.
    pub(super) next_number: u64,
    /// The counted ends whose callbacks are running.
    pub(super) reporting: DetachReport,
    pub(super) workers: usize,
    /// The workers with a request or its response body.
    pub(super) busy: usize,
    pub(super) limits: Limits,
    /// The name of the stack of the layer that enqueued last.
    pub(super) stack: Option<Arc<str>>,
    pub(super) is_shut_down: bool,
    /// The number of rejections since the queue was full.
    pub(super) rejected: u64,
    pub(super) totals: DetachReport,
}

// === impl State ===

impl State {
    pub(super) fn pending(&self) -> usize {
        self.queued.len() + self.in_flight.len() + self.reporting.sum()
    }

    /// The reason to reject a request now.
    pub(super) fn rejection(&self) -> Option<NotQueuedReason> {
        let Limits { max_queued, max_concurrent } = self.limits;
        if self.is_shut_down {
            return Some(NotQueuedReason::ShutDown);
        }
        // A request that a free worker is about to take does not count as queued.
        let free = max_concurrent.saturating_sub(self.busy);
        let is_full = self.queued.len() >= max_queued.saturating_add(free);
        is_full.then_some(NotQueuedReason::Full { max_queued })
    }

    /// Counts ends whose callbacks are about to run.
    pub(super) const fn count(&mut self, ends: DetachReport) {
        self.totals = self.totals.plus(ends);
        self.reporting = self.reporting.plus(ends);
    }

    /// Counts a rejection, and returns whether it is the first.
    pub(super) const fn reject(&mut self) -> bool {
        self.rejected += 1;
        self.rejected == 1
    }

    /// The number of rejections, once half of the queue is free again.
    pub(super) fn has_room_again(&mut self) -> Option<u64> {
        let is_over = self.rejected > 0 && self.queued.len() <= self.limits.max_queued / 2;
        is_over.then(|| mem::take(&mut self.rejected))
    }

    pub(super) fn take(&mut self, number: u64) -> Option<PendingRequest> {
        let index = self.in_flight.iter().position(|(of, _)| *of == number)?;
        Some(self.in_flight.swap_remove(index).1)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("queued", &self.queued.len())
            .field("in_flight", &self.in_flight.len())
            .field("is_shut_down", &self.is_shut_down)
            .field("totals", &self.totals)
            .finish_non_exhaustive()
    }
}
