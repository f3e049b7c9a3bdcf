//! The requests that were taken on, and who works them off.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
};

use super::{
    Obstacle, Report, events,
    outcome::Outcome,
    send::Sending,
    state::{Job, Limits, State},
    worker::Worker,
};

/// What the services of a layer, its clones and its handles share.
///
/// Neither a listener nor a sending runs with the state locked: both are code of others and may come back to it.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Whether all that is under way is given up.
    pub(super) cut: watch::Sender<bool>,
    /// Told when nothing is pending, and when a worker is lost while there is work.
    pub(super) idle: Notify,
}

// === impl Queue ===

impl Queue {
    /// Takes a request on, and has somebody send it.
    pub(super) fn take_on(self: &Arc<Self>, job: Job, limits: Limits) -> Result<(), Obstacle> {
        let Ok(runtime) = Handle::try_current() else {
            job.ticket.withdraw();
            return Err(Obstacle::NoRuntime);
        };
        let mut state = self.lock();
        state.limits = limits;
        let Some(obstacle) = state.obstacle() else {
            state.waiting.push_back(job);
            drop(state);
            self.hire(&runtime);
            return Ok(());
        };
        let is_news = matches!(obstacle, Obstacle::Full { .. }) && state.refuse();
        drop(state);
        if is_news {
            events::full(limits.max_queued);
        }
        job.ticket.withdraw();
        Err(obstacle)
    }

    /// Sees to it that there are as many workers as there is work for.
    pub(super) fn hire(self: &Arc<Self>, runtime: &Handle) {
        let mut state = self.lock();
        let wanted = state.limits.max_concurrent.min(state.waiting.len() + state.busy);
        let missing = wanted.saturating_sub(state.workers);
        state.workers += missing;
        drop(state);
        for _ in 0..missing {
            // Where the runtime is shutting down, the worker is dropped here and says so by that.
            drop(runtime.spawn(Worker::new(Arc::clone(self)).work()));
        }
    }

    /// The next request for a worker, with its number. If there is none, the worker is no longer one.
    pub(super) fn next(&self) -> Option<(u64, Sending)> {
        let mut state = self.lock();
        let Some(Job { mut ticket, sending }) = state.waiting.pop_front() else {
            state.workers -= 1;
            return None;
        };
        ticket.depart();
        let number = state.number;
        state.number += 1;
        state.under_way.push((number, ticket));
        state.busy += 1;
        let refused = state.has_room_again();
        drop(state);
        if let Some(refused) = refused {
            events::no_longer_full(refused);
        }
        Some((number, sending))
    }

    /// A request has come to its end.
    pub(super) fn end(&self, number: u64, outcome: Outcome) {
        let mut state = self.lock();
        // None if it was given up meanwhile, which has been told.
        let Some(ticket) = state.take(number) else { return };
        let end = match outcome {
            Outcome::Succeeded(_) => Report { completed: 1, ..Report::default() },
            Outcome::Failed(_) => Report { failed: 1, ..Report::default() },
        };
        state.count(end);
        drop(state);
        ticket.end(outcome);
        self.told(end);
    }

    /// A worker is through with a request and its answer.
    pub(super) fn rested(&self) {
        self.lock().busy -= 1;
    }

    /// A worker was dropped, and with it the request that it was at.
    pub(super) fn lost(&self, number: Option<u64>) {
        let mut state = self.lock();
        state.workers -= 1;
        state.busy -= usize::from(number.is_some());
        let ticket = number.and_then(|number| state.take(number));
        let end = Report { dropped: usize::from(ticket.is_some()), ..Report::default() };
        state.count(end);
        let is_work_left = !state.waiting.is_empty();
        drop(state);
        drop(ticket);
        self.told(end);
        if is_work_left {
            // A shutdown that waits finds another for it.
            self.idle.notify_waiters();
        }
    }

    /// Whoever waits for this is to drop what it is at when it is ready.
    pub(super) fn cut(&self) -> watch::Receiver<bool> {
        self.cut.subscribe()
    }

    /// How many were taken on and have not come to an end.
    pub(super) fn pending(&self) -> usize {
        self.lock().pending()
    }

    /// Ends that were counted have been told.
    pub(super) fn told(&self, ends: Report) {
        let mut state = self.lock();
        state.telling = state.telling.since(ends);
        let is_idle = state.pending() == 0;
        // Wakers are code of others as well.
        drop(state);
        if is_idle {
            self.idle.notify_waiters();
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
