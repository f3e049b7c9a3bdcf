use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use tokio::{sync::watch, task::yield_now};

use super::{
    Failure,
    queue::Queue,
    send::{Boxed, Sending},
};

/// A task that sends queued requests one by one and ends when the queue is empty.
#[derive(Debug)]
pub(super) struct Worker {
    queue: Arc<Queue>,
    at: At,
}

#[derive(Clone, Copy, Debug)]
enum At {
    /// Between two requests.
    Idle,
    /// With the request of this number or its response body.
    Request(u64),
    /// Ended, and no longer counted.
    Done,
}

/// The result of a future of the inner service.
enum Polled<T> {
    Ready(T),
    Panicked,
    Aborted,
}

// === impl Worker ===

impl Worker {
    /// A worker that is counted already.
    pub(super) const fn new(queue: Arc<Queue>) -> Self {
        Self { queue, at: At::Idle }
    }

    pub(super) async fn run(mut self) {
        let mut abort = self.queue.abort.subscribe();
        while let Some((number, sending)) = self.queue.next() {
            self.at = At::Request(number);
            self.send(number, sending, &mut abort).await;
            self.at = At::Idle;
            self.queue.worker_is_free();
            // Without this, requests with immediate responses would keep the thread busy.
            yield_now().await;
        }
        self.at = At::Done;
    }

    async fn send(&self, number: u64, sending: Sending, abort: &mut watch::Receiver<bool>) {
        let (outcome, drain) = match guarded(sending, abort).await {
            Polled::Ready(ready) => ready,
            Polled::Panicked => (Err(Box::new(Failure::Panicked)), None),
            Polled::Aborted => return,
        };
        self.queue.end(number, outcome);
        if let Some(drain) = drain {
            guarded(drain, abort).await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        match self.at {
            At::Idle => self.queue.worker_dropped(None),
            At::Request(number) => self.queue.worker_dropped(Some(number)),
            At::Done => {}
        }
    }
}

/// Polls `future` until it is ready, panics, or is aborted. An aborted future that panics in its drop ends the worker, which has
/// nothing left to do.
async fn guarded<T>(mut future: Boxed<T>, abort: &mut watch::Receiver<bool>) -> Polled<T> {
    let mut aborted = pin!(abort.wait_for(|is_aborted| *is_aborted));
    poll_fn(|cx| {
        if aborted.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Polled::Aborted);
        }
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Polled::Ready),
            Err(_) => Poll::Ready(Polled::Panicked),
        }
    })
    .await
}
