//! A task that sends what waits, one request after the other, until nothing waits.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use tokio::{sync::watch, task::yield_now};

use super::{
    Cause,
    outcome::Outcome,
    queue::Queue,
    send::{Boxed, Sending},
};

/// One of those who send. It goes when there is nothing to send, so that a queue that nobody uses has no task.
#[derive(Debug)]
pub(super) struct Worker {
    queue: Arc<Queue>,
    at: At,
}

#[derive(Clone, Copy, Debug)]
enum At {
    /// It looks for a request.
    Nothing,
    /// It has the request of this number, or the rest of its answer.
    Request(u64),
    /// It found none, and is not counted any more.
    Gone,
}

/// What became of a future that others have made.
enum Attended<T> {
    Ended(T),
    Panicked,
    /// It is to be given up.
    Cut,
}

// === impl Worker ===

impl Worker {
    /// A worker that is counted as one already.
    pub(super) const fn new(queue: Arc<Queue>) -> Self {
        Self { queue, at: At::Nothing }
    }

    pub(super) async fn work(mut self) {
        let mut cut = self.queue.cut();
        while let Some((number, sending)) = self.queue.next() {
            self.at = At::Request(number);
            self.send(number, sending, &mut cut).await;
            self.at = At::Nothing;
            self.queue.rested();
            // Requests that are answered at once would keep this thread for as long as there are any.
            yield_now().await;
        }
        self.at = At::Gone;
    }

    async fn send(&self, number: u64, sending: Sending, cut: &mut watch::Receiver<bool>) {
        let (outcome, rest) = match attend(sending, cut).await {
            Attended::Ended(ended) => ended,
            Attended::Panicked => (Outcome::failed(Cause::Panicked), None),
            Attended::Cut => return,
        };
        self.queue.end(number, outcome);
        if let Some(rest) = rest {
            attend(rest, cut).await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        match self.at {
            At::Nothing => self.queue.lost(None),
            At::Request(number) => self.queue.lost(Some(number)),
            At::Gone => {}
        }
    }
}

/// Polls `future` to its end, unless it panics or is to be given up. One that is given up may panic in its drop: that costs this
/// worker, for which there is nothing more to do.
async fn attend<T>(mut future: Boxed<T>, cut: &mut watch::Receiver<bool>) -> Attended<T> {
    let mut cut = pin!(cut.wait_for(|is_cut| *is_cut));
    poll_fn(|cx| {
        if cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Attended::Cut);
        }
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Attended::Ended),
            Err(_) => Poll::Ready(Attended::Panicked),
        }
    })
    .await
}
