use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
};

use super::{
    DetachReport, events,
    failure::Outcome,
    send::Sending,
    state::{Job, Limits, State},
    worker::Worker,
};
use crate::error::NotQueuedReason;

/// The queue that the services of a layer, its clones and its handles share.
///
/// Callbacks and inner services run with the state unlocked, because they may call back into the queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Set to true when everything in flight must be dropped.
    pub(super) abort: watch::Sender<bool>,
    /// Notified when nothing is pending, and when a worker is dropped while requests are queued.
    pub(super) idle: Notify,
}

// === impl Queue ===

impl Queue {
    /// Queues a request, and spawns a worker for it if there is none.
    pub(super) fn enqueue(
        self: &Arc<Self>,
        job: Job,
        limits: Limits,
        stack: Option<&Arc<str>>,
    ) -> Result<(), NotQueuedReason> {
        let Ok(runtime) = Handle::try_current() else {
            job.request.withdraw();
            return Err(NotQueuedReason::NoRuntime);
        };
        let mut state = self.lock();
        state.limits = limits;
        state.stack = stack.cloned();
        let Some(reason) = state.rejection() else {
            state.queued.push_back(job);
            drop(state);
            self.spawn_workers(&runtime);
            return Ok(());
        };
        let is_first = matches!(reason, NotQueuedReason::Full { .. }) && state.reject();
        drop(state);
        if is_first {
            events::full(stack.map(|name| &**name), limits.max_queued);
        }
        job.request.withdraw();
        Err(reason)
    }

    /// Spawns as many workers as there is work for, up to `max_concurrent`.
    pub(super) fn spawn_workers(self: &Arc<Self>, runtime: &Handle) {
        let mut state = self.lock();
        let wanted = state.limits.max_concurrent.min(state.queued.len() + state.busy);
        let missing = wanted.saturating_sub(state.workers);
        state.workers += missing;
        drop(state);
        for _ in 0..missing {
            // If the runtime is shutting down, the worker is dropped here, and its `Drop` says so.
            drop(runtime.spawn(Worker::new(Arc::clone(self)).run()));
        }
    }

    /// The next request for a worker, and its number. Without one, the worker no longer counts.
    pub(super) fn next(&self) -> Option<(u64, Sending)> {
        let mut state = self.lock();
        let Some(Job { mut request, sending }) = state.queued.pop_front() else {
            state.workers -= 1;
            return None;
        };
        request.start();
        let number = state.next_number;
        state.next_number += 1;
        state.in_flight.push((number, request));
        state.busy += 1;
        let rejected = state.has_room_again().map(|rejected| (state.stack.clone(), rejected));
        drop(state);
        if let Some((stack, rejected)) = rejected {
            events::no_longer_full(stack.as_deref(), rejected);
        }
        Some((number, sending))
    }

    /// Counts and reports the end of a request.
    pub(super) fn end(&self, number: u64, outcome: Outcome) {
        let mut state = self.lock();
        // A request that was dropped meanwhile was reported then.
        let Some(request) = state.take(number) else { return };
        let end = match outcome {
            Ok(_) => DetachReport { succeeded: 1, ..DetachReport::default() },
            Err(_) => DetachReport { failed: 1, ..DetachReport::default() },
        };
        state.count(end);
        drop(state);
        request.end(outcome);
        self.reported(end);
    }

    /// Records that a worker is done with a request and its response body.
    pub(super) fn worker_is_free(&self) {
        self.lock().busy -= 1;
    }

    /// Records that a worker was dropped, with its request if it had one.
    pub(super) fn worker_dropped(&self, number: Option<u64>) {
        let mut state = self.lock();
        state.workers -= 1;
        state.busy -= usize::from(number.is_some());
        let request = number.and_then(|number| state.take(number));
        let end =
            DetachReport { dropped: usize::from(request.is_some()), ..DetachReport::default() };
        state.count(end);
        let has_work = !state.queued.is_empty();
        drop(state);
        drop(request);
        self.reported(end);
        if has_work {
            // A waiting shutdown spawns another worker.
            self.idle.notify_waiters();
        }
    }

    /// The number of queued requests that have not ended.
    pub(super) fn pending(&self) -> usize {
        self.lock().pending()
    }

    /// Records that the callbacks of counted ends have run.
    pub(super) fn reported(&self, ends: DetachReport) {
        let mut state = self.lock();
        state.reporting = state.reporting.since(ends);
        let is_idle = state.pending() == 0;
        // Wakers may call back into the queue as well.
        drop(state);
        if is_idle {
            self.idle.notify_waiters();
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
