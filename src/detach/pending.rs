use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use http::StatusCode;
use tracing::Span;

use super::{DetachedRequest, Failure, events, failure::Outcome};
use crate::metrics::{Meter, Pending};

/// The callbacks of a layer.
#[derive(Clone, Default)]
pub(super) struct Callbacks {
    pub(super) on_failure: Option<Arc<dyn Fn(DetachedRequest, Failure) + Send + Sync>>,
    pub(super) on_success: Option<Arc<dyn Fn(DetachedRequest, StatusCode) + Send + Sync>>,
}

/// A request that got a 202. Its end is reported exactly once: dropped before that, it reports a failure.
pub(super) struct PendingRequest {
    /// Taken when the end is reported.
    request: Option<DetachedRequest>,
    callbacks: Callbacks,
    span: Span,
    is_in_flight: bool,
    pending: Pending,
}

// === impl PendingRequest ===

impl PendingRequest {
    /// The callbacks run in the span of this moment.
    pub(super) fn new(request: DetachedRequest, callbacks: Callbacks, meter: &Meter) -> Self {
        let (span, pending) = (Span::current(), meter.pend());
        Self { request: Some(request), callbacks, span, is_in_flight: false, pending }
    }

    /// Marks the request as taken from the queue.
    pub(super) const fn start(&mut self) {
        self.is_in_flight = true;
    }

    /// Reports nothing: the request was not queued.
    pub(super) fn withdraw(mut self) {
        self.request = None;
    }

    pub(super) fn end(mut self, outcome: Outcome) {
        self.report(outcome);
    }

    fn report(&mut self, outcome: Outcome) {
        let Some(request) = self.request.take() else { return };
        let stack = request.stack().cloned();
        let Callbacks { on_failure, on_success } = mem::take(&mut self.callbacks);
        let report = AssertUnwindSafe(|| match outcome {
            Ok(status) => {
                self.pending.ended(None);
                if let Some(on_success) = on_success {
                    on_success(request, status);
                }
            }
            Err(failure) => {
                self.pending.ended(Some(failure.as_str()));
                events::failed(&request, &failure);
                if let Some(on_failure) = on_failure {
                    on_failure(request, *failure);
                }
            }
        });
        self.span.in_scope(|| {
            if catch_unwind(report).is_err() {
                events::callback_panicked(stack.as_deref());
            }
        });
    }
}

impl Drop for PendingRequest {
    fn drop(&mut self) {
        let failure = if self.is_in_flight { Failure::Interrupted } else { Failure::Discarded };
        self.report(Err(Box::new(failure)));
    }
}
