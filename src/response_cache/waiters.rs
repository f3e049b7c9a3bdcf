//! The calls that wait for a fetch, and the end of a fetch that none waits for.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Sleep, sleep},
};

/// How many fetches go on that no call waits for. Callers that leave by the thousand, as at a client's timeout, would otherwise
/// leave as many requests to a server that is slow already.
pub(super) const MAX_UNATTENDED: usize = 256;

/// How long a fetch goes on that no call waits for: a person who reloads a page finds the response of the first try.
const UNATTENDED_FOR: Duration = Duration::from_secs(3);

/// The calls that wait for a fetch.
#[derive(Debug)]
pub(super) struct Waiters(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    calls: usize,
    /// How often the last call has left.
    departures: u64,
    /// Whether a call got a stale response and left the fetch to refresh it.
    is_in_background: bool,
    is_given_up: bool,
    task: Option<Waker>,
}

enum Attendance {
    Attended,
    Unattended { departures: u64, is_in_background: bool },
}

/// The time of a fetch since the last call left.
struct Unattended<'a> {
    departures: u64,
    timer: Pin<Box<Sleep>>,
    _permit: SemaphorePermit<'a>,
}

/// A call that waits, until it is dropped.
#[derive(Debug)]
pub(super) struct Waiting(Arc<Waiters>);

// === impl Waiters ===

impl Waiters {
    /// Those of a fetch that one call begins.
    pub(super) fn new() -> (Arc<Self>, Waiting) {
        let waiters = Arc::new(Self(Mutex::new(State { calls: 1, ..State::default() })));
        (Arc::clone(&waiters), Waiting(waiters))
    }

    /// Counts a call; `None` if the fetch was given up.
    pub(super) fn join(self: &Arc<Self>) -> Option<Waiting> {
        let mut state = self.lock();
        if state.is_given_up {
            return None;
        }
        state.calls += 1;
        Some(Waiting(Arc::clone(self)))
    }

    /// Runs a fetch while a call waits for it, and a while longer if `room` has a permit. `None`: it was given up.
    pub(super) async fn run<T>(
        &self,
        room: &Semaphore,
        fetch: impl Future<Output = T>,
    ) -> Option<T> {
        let mut fetch = pin!(fetch);
        let mut unattended: Option<Unattended<'_>> = None;
        poll_fn(|cx| {
            if let Poll::Ready(fetched) = fetch.as_mut().poll(cx) {
                return Poll::Ready(Some(fetched));
            }
            let (departures, is_in_background) = match self.watch(cx.waker()) {
                Attendance::Attended => {
                    unattended = None;
                    return Poll::Pending;
                }
                Attendance::Unattended { departures, is_in_background } => {
                    (departures, is_in_background)
                }
            };
            // A call may have come and left since the last poll.
            unattended = unattended.take().filter(|since| since.departures == departures);
            if unattended.is_none() {
                unattended = room.try_acquire().ok().map(|permit| Unattended {
                    departures,
                    timer: Box::pin(sleep(UNATTENDED_FOR)),
                    _permit: permit,
                });
            }
            let goes_on = match &mut unattended {
                Some(Unattended { timer, .. }) => {
                    is_in_background || timer.as_mut().poll(cx).is_pending()
                }
                None => false,
            };
            match goes_on || !self.give_up() {
                true => Poll::Pending,
                false => Poll::Ready(None),
            }
        })
        .await
    }

    /// Whether a call waits. The task is woken when the last one leaves.
    fn watch(&self, task: &Waker) -> Attendance {
        let mut state = self.lock();
        if !state.task.as_ref().is_some_and(|known| known.will_wake(task)) {
            state.task = Some(task.clone());
        }
        let State { departures, is_in_background, .. } = *state;
        match state.calls {
            0 => Attendance::Unattended { departures, is_in_background },
            _ => Attendance::Attended,
        }
    }

    /// From now on no call joins, unless one has done so meanwhile.
    fn give_up(&self) -> bool {
        let mut state = self.lock();
        state.is_given_up = state.calls == 0;
        state.is_given_up
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Waiting ===

impl Waiting {
    /// Notes that the fetch is of use when this call has ended: it refreshes the stale response that the call got.
    pub(super) fn leave_in_background(&self) {
        self.0.lock().is_in_background = true;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.calls -= 1;
        let mut task = None;
        if state.calls == 0 {
            state.departures += 1;
            task = state.task.take();
        }
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }
}
