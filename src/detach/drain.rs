//! The end of a queue: what is pending is worked off or given up.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use tokio::{runtime::Handle, task::yield_now};

use super::{Report, events, queue::Queue, state::Job};

// === impl Queue ===

impl Queue {
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
        drop(under_way);
        for Job { ticket, sending } in waiting {
            drop(ticket);
            // What is in a request is code of others, and two that panic in their drops would end the program.
            drop(catch_unwind(AssertUnwindSafe(|| drop(sending))));
        }
        self.told(ends);
    }
}
