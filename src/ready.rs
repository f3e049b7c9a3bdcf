//! Making a clone ready after a wait, within a time limit.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};
use tower_service::Service;

use crate::{BoxError, clock::Clock, extensions::Deadline};

/// The longest wait for readiness without a deadline: as long as a request is queued by default.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(90);

/// A wait for readiness that ends at the deadline, or after [`MAX_WAIT`]. It costs nothing until the first `Pending`.
#[derive(Debug, Default)]
pub(crate) struct ReadyWait(Option<(Duration, Pin<Box<Sleep>>)>);

/// When the waits for readiness of one call end, and how long they may take in all. It is set at the first `Pending`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadyLimit {
    end: Instant,
    limit: Duration,
}

/// The service was not ready within this time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotReady(pub(crate) Duration);

/// Makes `service` ready.
pub(crate) async fn make_ready<S, R>(
    service: &mut S,
    deadline: Option<Deadline>,
) -> Result<Result<(), BoxError>, NotReady>
where
    S: Service<R>,
    S::Error: Into<BoxError>,
{
    let mut wait = ReadyWait::default();
    poll_fn(|cx| wait.poll(&mut None, service, deadline, cx)).await
}

// === impl ReadyWait ===

impl ReadyWait {
    /// Whether the service was not ready at once.
    pub(crate) const fn has_waited(&self) -> bool {
        self.0.is_some()
    }

    /// Polls the readiness of `service`. Waits with the same `shared` have one limit together.
    pub(crate) fn poll<S, R>(
        &mut self,
        shared: &mut Option<ReadyLimit>,
        service: &mut S,
        deadline: Option<Deadline>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Result<(), BoxError>, NotReady>>
    where
        S: Service<R>,
        S::Error: Into<BoxError>,
    {
        if let Poll::Ready(readied) = service.poll_ready(cx) {
            return Poll::Ready(Ok(readied.map_err(Into::into)));
        }
        let now = Clock::default().now();
        let (limit, timer) = self.0.get_or_insert_with(|| {
            let ReadyLimit { end, limit } =
                *shared.get_or_insert_with(|| ReadyLimit::new(deadline, now));
            (limit, Box::pin(sleep_until(end)))
        });
        ready!(timer.as_mut().poll(cx));
        if is_over(now) {
            // The time limit around this call has run out as well, and reports it.
            return Poll::Pending;
        }
        Poll::Ready(Err(NotReady(*limit)))
    }
}

// === impl ReadyLimit ===

impl ReadyLimit {
    fn new(deadline: Option<Deadline>, now: Instant) -> Self {
        let limit = deadline.map_or(MAX_WAIT, |deadline| deadline.remaining(now).min(MAX_WAIT));
        Self { end: now + limit, limit }
    }
}

fn is_over(now: Instant) -> bool {
    Deadline::ambient().is_some_and(|deadline| deadline.remaining(now).is_zero())
}
