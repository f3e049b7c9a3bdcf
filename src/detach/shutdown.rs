use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use tokio::{runtime::Handle, task::yield_now};

use super::{DetachReport, events, queue::Queue, state::Job};

// === impl Queue ===

impl Queue {
    /// Rejects requests from now on, and returns the counts so far.
    pub(super) fn close(&self) -> DetachReport {
        let mut state = self.lock();
        state.is_shut_down = true;
        state.totals.since(state.reporting)
    }

    /// Waits for the pending requests, drops those that are left after `limit`, and returns the counts since `before`.
    pub(super) async fn shut_down(
        self: Arc<Self>,
        before: DetachReport,
        limit: Duration,
    ) -> DetachReport {
        if tokio::time::timeout(limit, self.until_idle()).await.is_err() {
            self.drop_pending();
        }
        let state = self.lock();
        let (report, stack) = (state.totals.since(before), state.stack.clone());
        drop(state);
        events::shut_down(stack.as_deref(), &report);
        report
    }

    async fn until_idle(self: &Arc<Self>) {
        loop {
            let mut idle = pin!(self.idle.notified());
            idle.as_mut().enable();
            if self.pending() == 0 {
                return;
            }
            // Earlier workers may have been dropped with their runtime.
            self.spawn_workers(&Handle::current());
            idle.await;
            yield_now().await;
        }
    }

    fn drop_pending(&self) {
        let mut state = self.lock();
        let queued = mem::take(&mut state.queued);
        let in_flight = mem::take(&mut state.in_flight);
        let dropped = queued.len() + in_flight.len();
        let ends = DetachReport { dropped, ..DetachReport::default() };
        state.count(ends);
        drop(state);
        self.abort.send_replace(true);
        drop(in_flight);
        for Job { request, sending } in queued {
            drop(request);
            // A request may panic in its drop, and a second panic meanwhile would abort the program.
            drop(catch_unwind(AssertUnwindSafe(|| drop(sending))));
        }
        self.reported(ends);
    }
}
