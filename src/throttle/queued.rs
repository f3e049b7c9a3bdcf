//! A call that is held back until its turn comes.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::Request;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower_service::Service;

use super::{
    Config, Throttled,
    admission::{Asked, Visit},
    events,
    routes::Route,
};
use crate::{
    BoxError,
    endpoint::Endpoint,
    extensions::{Deadline, Priority},
    metrics::{InLine, Meter},
};

pin_project! {
    /// A call that is held back until its turn comes, and then until the service is ready.
    pub(super) struct Held<S, B> {
        service: S,
        // Taken when it is sent.
        outgoing: Option<(Request<B>, Visit)>,
        patience: Patience,
        step: Step,
        // Of the one that watches the time for all who wait.
        #[pin]
        timer: Option<Sleep>,
    }
}

/// So many times as long as an answer takes on the average is left to a send that has waited for its turn. With less it would most
/// likely run out of time on its way, and its turn would be gone for those behind it.
const LEFT_FOR_ANSWER: u32 = 2;

/// How long a call can wait.
struct Patience {
    priority: Priority,
    deadline: Option<Deadline>,
    /// What the answer takes of the time until the deadline.
    reserve: Duration,
    max_wait: Duration,
    endpoint: Option<Arc<str>>,
    /// When it began to wait: at its first poll, since a future that is not polled waits for nothing.
    since: Option<Instant>,
    /// From then on, until its turn has come.
    in_line: Option<InLine>,
}

#[derive(Clone, Copy)]
enum Step {
    Waiting,
    Readying,
}

// === impl Held ===

impl<S, B> Held<S, B> {
    pub(super) fn new(
        service: S,
        request: Request<B>,
        mut visit: Visit,
        endpoint: &Endpoint<'_, Config>,
    ) -> Pin<Box<Self>> {
        let marked = request.extensions().get::<Priority>().copied();
        let patience = Patience {
            priority: marked.unwrap_or(endpoint.config().usual_priority()),
            deadline: Deadline::of(&request),
            reserve: Duration::ZERO,
            max_wait: endpoint.config().longest(),
            endpoint: endpoint.shared_pattern(),
            since: None,
            in_line: None,
        };
        visit.wait_on(|| Route::new(request.method(), endpoint.pattern(), request.uri().path()));
        let outgoing = Some((request, visit));
        Box::pin(Self { service, outgoing, patience, step: Step::Waiting, timer: None })
    }

    /// Sends the request once its turn has come and the service is ready.
    pub(super) fn poll_send(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(S::Future, Visit), BoxError>>
    where
        S: Service<Request<B>>,
        S::Error: Into<BoxError>,
    {
        let mut this = self.project();
        #[allow(clippy::expect_used, reason = "a future that has ended is not polled again")]
        let (_, visit) =
            this.outgoing.as_mut().expect("a future that has ended is not polled again");
        while let Step::Waiting = this.step {
            let now = visit.rules().clock.now();
            let (priority, end) = this.patience.begin(now, visit);
            match visit.ask(now, priority, end, cx.waker()) {
                // It came in time and was not taken in time.
                Asked::Turn if end.is_some_and(|end| end <= now) => {
                    let error = this.patience.run_out(visit, now, None);
                    *this.outgoing = None;
                    return Poll::Ready(Err(error.into()));
                }
                Asked::Turn => {
                    this.patience.end(visit.meter(), now);
                    this.timer.set(None);
                    *this.step = Step::Readying;
                }
                Asked::TooLate(next) => {
                    let error = this.patience.run_out(visit, now, next);
                    *this.outgoing = None;
                    return Poll::Ready(Err(error.into()));
                }
                Asked::Wait(None) => {
                    this.timer.set(None);
                    return Poll::Pending;
                }
                Asked::Wait(Some(at)) => {
                    match this.timer.as_mut().as_pin_mut() {
                        Some(timer) if timer.deadline() == at => {}
                        Some(timer) => timer.reset(at),
                        None => this.timer.set(Some(sleep_until(at))),
                    }
                    if let Some(timer) = this.timer.as_mut().as_pin_mut() {
                        ready!(timer.poll(cx));
                    }
                }
            }
        }
        let readied = ready!(this.service.poll_ready(cx));
        #[allow(clippy::expect_used, reason = "it was there above")]
        let (request, mut visit) = this.outgoing.take().expect("it was there above");
        // From here on its turn goes to the next if it is not used, whether this future is kept or not.
        readied.map_err(Into::into)?;
        let now = visit.rules().clock.now();
        if this.patience.begin(now, &visit).1.is_some_and(|end| end <= now) {
            return Poll::Ready(Err(this.patience.throttled(&visit, now, None).into()));
        }
        visit.send();
        Poll::Ready(Ok((this.service.call(request), visit)))
    }
}

// === impl Patience ===

impl Patience {
    /// The end of the wait, which begins when this is first asked.
    fn begin(&mut self, now: Instant, visit: &Visit) -> (Priority, Option<Instant>) {
        let since = *self.since.get_or_insert_with(|| {
            self.in_line = Some(visit.meter().line_up());
            if let Some(deadline) = self.deadline {
                // Half of its time is for the wait all the same: answers may have become faster, and without a send nobody learns it.
                let half = deadline.remaining(now) / 2;
                self.reserve = (visit.round_trip() * LEFT_FOR_ANSWER).min(half);
            }
            now
        });
        let longest = since.checked_add(self.max_wait);
        let deadline = self.deadline.map(Deadline::instant);
        let latest = deadline.map(|deadline| deadline.checked_sub(self.reserve).unwrap_or(since));
        (self.priority, longest.into_iter().chain(latest).min())
    }

    fn waited(&self, now: Instant) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    fn end(&mut self, meter: &Meter, now: Instant) {
        let waited = self.waited(now);
        self.in_line = None;
        meter.waited(waited);
        events::waited(waited);
    }

    fn run_out(&mut self, visit: &Visit, now: Instant, next: Option<Instant>) -> Throttled {
        self.end(visit.meter(), now);
        self.throttled(visit, now, next)
    }

    fn throttled(&self, visit: &Visit, now: Instant, next: Option<Instant>) -> Throttled {
        let retry_after = next.map(|next| next.saturating_duration_since(now));
        Throttled::new(visit.key(), self.endpoint.clone(), self.waited(now), retry_after)
    }
}
