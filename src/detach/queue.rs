//! The requests that were taken on: those that wait, those that are under way, and who works them off.

use std::{
    collections::VecDeque,
    fmt, mem,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    task::yield_now,
};

use super::{
    Obstacle, Report, events, outcome::Outcome, send::Sending, ticket::Ticket, worker::Worker,
};

/// How many requests there may be, as the layer that takes one on has it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    pub(super) max_queued: usize,
    pub(super) max_concurrent: usize,
}

/// What the services of a layer, its clones and its handles share.
///
/// Neither a listener nor a sending runs with the state locked: both are code of others and may come back to it.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Whether all that is under way is given up.
    cut: watch::Sender<bool>,
    /// Told when nothing is pending, and when a worker is lost while there is work.
    idle: Notify,
}

/// A request that waits.
pub(super) struct Job {
    pub(super) ticket: Ticket,
    pub(super) sending: Sending,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    /// Whoever takes a ticket out of here tells its end.
    under_way: Vec<(u64, Ticket)>,
    /// The number of the next one that gets under way.
    number: u64,
    /// Of the ends that are counted, those that are being told.
    telling: Report,
    workers: usize,
    /// Those of them that have a request or the rest of its answer.
    busy: usize,
    limits: Limits,
    is_shut_down: bool,
    /// How many were refused since the queue became full.
    refused: u64,
    totals: Report,
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

    /// Takes nothing on any more. Returns how many have come to an end so far.
    pub(super) fn close(&self) -> Report {
        let mut state = self.lock();
        state.is_shut_down = true;
        state.totals.since(state.telling)
    }

    /// Waits for the end of all that is pending, gives up what is left after `limit`, and says what has become of it.
    pub(super) async fn drain(self: Arc<Self>, before: Report, limit: Duration) -> Report {
        if tokio::time::timeout(limit, self.drained()).await.is_err() {
            self.give_up();
        }
        let report = self.lock().totals.since(before);
        events::shut_down(&report);
        report
    }

    async fn drained(self: &Arc<Self>) {
        loop {
            let mut idle = pin!(self.idle.notified());
            idle.as_mut().enable();
            if self.pending() == 0 {
                return;
            }
            // Those who were there may have gone with their runtime.
            self.hire(&Handle::current());
            idle.await;
            yield_now().await;
        }
    }

    fn give_up(&self) {
        let mut state = self.lock();
        let waiting = mem::take(&mut state.waiting);
        let under_way = mem::take(&mut state.under_way);
        let ends = Report { dropped: waiting.len() + under_way.len(), ..Report::default() };
        state.count(ends);
        drop(state);
        self.cut.send_replace(true);
        drop((under_way, waiting));
        self.told(ends);
    }

    fn told(&self, ends: Report) {
        let mut state = self.lock();
        state.telling = state.telling.since(ends);
        let is_idle = state.pending() == 0;
        // Wakers are code of others as well.
        drop(state);
        if is_idle {
            self.idle.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    fn pending(&self) -> usize {
        self.waiting.len() + self.under_way.len() + self.telling.sum()
    }

    /// Why nothing can be taken on now.
    fn obstacle(&self) -> Option<Obstacle> {
        let Limits { max_queued, max_concurrent } = self.limits;
        if self.is_shut_down {
            return Some(Obstacle::ShutDown);
        }
        // One that waits for a worker who is free and has not come to it yet takes no place in the queue.
        let free = max_concurrent.saturating_sub(self.busy);
        let is_full = self.waiting.len() >= max_queued.saturating_add(free);
        is_full.then_some(Obstacle::Full { max_queued })
    }

    /// Counts ends that are to be told now.
    const fn count(&mut self, ends: Report) {
        self.totals = self.totals.plus(ends);
        self.telling = self.telling.plus(ends);
    }

    /// Counts a refusal, and says whether it is the first.
    const fn refuse(&mut self) -> bool {
        self.refused += 1;
        self.refused == 1
    }

    /// How many were refused, once half of the places are free again.
    fn has_room_again(&mut self) -> Option<u64> {
        let is_over = self.refused > 0 && self.waiting.len() <= self.limits.max_queued / 2;
        is_over.then(|| mem::take(&mut self.refused))
    }

    fn take(&mut self, number: u64) -> Option<Ticket> {
        let place = self.under_way.iter().position(|(of, _)| *of == number)?;
        Some(self.under_way.swap_remove(place).1)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("waiting", &self.waiting.len())
            .field("under_way", &self.under_way.len())
            .field("is_shut_down", &self.is_shut_down)
            .field("totals", &self.totals)
            .finish_non_exhaustive()
    }
}
