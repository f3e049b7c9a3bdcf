//! What is owed to a request that was taken on: that its end is told, whatever it is.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tracing::Span;

use super::{Cause, Failure, Success, Summary, events, outcome::Outcome};
use crate::metrics::{Meter, Pending};

/// Those who are told how requests ended.
#[derive(Clone, Default)]
pub(super) struct Listeners {
    pub(super) failure: Option<Arc<dyn Fn(Failure) + Send + Sync>>,
    pub(super) success: Option<Arc<dyn Fn(Success) + Send + Sync>>,
}

/// One request that was taken on. Dropped before its end, it says that it was given up.
pub(super) struct Ticket {
    /// Taken when its end is told.
    request: Option<Summary>,
    listeners: Listeners,
    span: Span,
    under_way: bool,
    pending: Pending,
}

// === impl Ticket ===

impl Ticket {
    /// Made where the call is made: what is told later is told in the span of that moment.
    pub(super) fn new(request: Summary, listeners: Listeners, meter: &Meter) -> Self {
        let (span, pending) = (Span::current(), meter.pend());
        Self { request: Some(request), listeners, span, under_way: false, pending }
    }

    /// The request leaves the queue.
    pub(super) const fn depart(&mut self) {
        self.under_way = true;
    }

    /// It was not taken on after all: nothing is told.
    pub(super) fn withdraw(mut self) {
        self.request = None;
    }

    pub(super) fn end(mut self, outcome: Outcome) {
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: Outcome) {
        let Some(request) = self.request.take() else { return };
        let Listeners { failure, success } = mem::take(&mut self.listeners);
        let tell = AssertUnwindSafe(|| match outcome {
            Outcome::Succeeded(status) => {
                self.pending.ended(None);
                if let Some(success) = success {
                    success(Success::new(request, status));
                }
            }
            Outcome::Failed(cause) => {
                self.pending.ended(Some(cause.as_str()));
                let end = Failure::new(request, *cause);
                events::came_to_nothing(&end);
                if let Some(failure) = failure {
                    failure(end);
                }
            }
        });
        self.span.in_scope(|| {
            if catch_unwind(tell).is_err() {
                events::callback_panicked();
            }
        });
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let cause = if self.under_way { Cause::Interrupted } else { Cause::Discarded };
        self.tell(Outcome::failed(cause));
    }
}
