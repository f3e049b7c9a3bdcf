//! A call that is queued until it has a permit.

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
    ThrottleConfig,
    admission::{Admission, PermitPoll},
    events,
    queue::{Patience, TooLate, later},
};
use crate::{
    BoxError, Error, ErrorKind,
    classify::{Classification, ErrorClass},
    endpoint::Endpoint,
    error::Details,
    extensions::{Deadline, Priority},
    metrics::{InQueue, Meter},
};

pin_project! {
    /// A call that is queued until it has a permit, and then until the service is ready.
    pub(super) struct Queued<S, B> {
        service: S,
        // Taken when it is sent.
        outgoing: Option<(Request<B>, Admission)>,
        wait: Wait,
        has_permit: bool,
        // Of the request that owns the queue's timer, and then of the wait for readiness.
        #[pin]
        timer: Option<Sleep>,
    }
}

/// How long a call can wait.
struct Wait {
    priority: Priority,
    deadline: Option<Deadline>,
    max_wait: Duration,
    endpoint: Option<Arc<str>>,
    /// When it began: at the first poll, since a future that is not polled waits for nothing.
    since: Option<Instant>,
    /// Counts the call as queued while it waits.
    counted: Option<InQueue>,
}

// === impl Queued ===

impl<S, B> Queued<S, B> {
    pub(super) fn new(
        service: S,
        request: Request<B>,
        mut admission: Admission,
        endpoint: &Endpoint<'_, ThrottleConfig>,
    ) -> Pin<Box<Self>> {
        admission.note_subject(&request);
        let marked = request.extensions().get::<Priority>().copied();
        let wait = Wait {
            priority: marked.unwrap_or(endpoint.config().default_priority()),
            deadline: Deadline::of(&request),
            max_wait: endpoint.config().longest_wait(),
            endpoint: endpoint.shared_pattern(),
            since: None,
            counted: None,
        };
        let outgoing = Some((request, admission));
        Box::pin(Self { service, outgoing, wait, has_permit: false, timer: None })
    }

    /// Sends the request once it has a permit and the service is ready.
    pub(super) fn poll_send(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(S::Future, Admission), BoxError>>
    where
        S: Service<Request<B>>,
        S::Error: Into<BoxError>,
    {
        let mut this = self.project();
        #[allow(clippy::expect_used, reason = "a future that has ended is not polled again")]
        let (_, admission) =
            this.outgoing.as_mut().expect("a future that has ended is not polled again");
        if !*this.has_permit {
            if let Err(error) = ready!(this.wait.poll_permit(admission, this.timer.as_mut(), cx)) {
                *this.outgoing = None;
                return Poll::Ready(Err(error.into()));
            }
            *this.has_permit = true;
        }
        let readied = match this.service.poll_ready(cx) {
            Poll::Ready(readied) => Some(readied),
            Poll::Pending => {
                let now = admission.shared().clock.now();
                let end = this.wait.patience(admission, now).end();
                ready!(Wait::poll_end(end, this.timer.as_mut(), cx));
                None
            }
        };
        #[allow(clippy::expect_used, reason = "it was there above")]
        let (request, mut admission) = this.outgoing.take().expect("it was there above");
        // From here on an unused permit goes to the next request, whether this future is kept or not.
        let readied = readied.transpose().map_err(Into::into)?;
        let now = admission.shared().clock.now();
        if readied.is_none() || this.wait.patience(&admission, now).end() <= now {
            return Poll::Ready(Err(this.wait.error(&admission, now, TooLate::default()).into()));
        }
        admission.send();
        Poll::Ready(Ok((this.service.call(request), admission)))
    }
}

// === impl Wait ===

impl Wait {
    /// Waits for the permit, with the timer if this request owns it.
    fn poll_permit(
        &mut self,
        admission: &mut Admission,
        mut timer: Pin<&mut Option<Sleep>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        loop {
            let now = admission.shared().clock.now();
            self.begin(now, admission);
            let patience = self.patience(admission, now);
            match admission.poll_permit(now, patience, cx.waker()) {
                // The permit came in time and was not taken in time.
                PermitPoll::Ready if patience.end() <= now => {
                    self.finish(admission.meter(), now);
                    return Poll::Ready(Err(self.error(admission, now, TooLate::default())));
                }
                PermitPoll::Ready => {
                    self.finish(admission.meter(), now);
                    return Poll::Ready(Ok(()));
                }
                PermitPoll::TooLate(why) => {
                    self.finish(admission.meter(), now);
                    return Poll::Ready(Err(self.error(admission, now, why)));
                }
                PermitPoll::Pending(None) => {
                    timer.set(None);
                    return Poll::Pending;
                }
                PermitPoll::Pending(Some(at)) => {
                    match timer.as_mut().as_pin_mut() {
                        Some(timer) if timer.deadline() == at => {}
                        Some(timer) => timer.reset(at),
                        None => timer.set(Some(sleep_until(at))),
                    }
                    if let Some(timer) = timer.as_mut().as_pin_mut() {
                        ready!(timer.poll(cx));
                    }
                }
            }
        }
    }

    /// Ends with the time to wait, however late the permit came.
    fn poll_end(
        end: Instant,
        mut timer: Pin<&mut Option<Sleep>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        match timer.as_mut().as_pin_mut() {
            Some(timer) if timer.deadline() == end => {}
            Some(timer) => timer.reset(end),
            None => timer.set(Some(sleep_until(end))),
        }
        timer.as_pin_mut().map_or(Poll::Pending, |timer| timer.poll(cx))
    }

    /// Begins the wait, at the first call.
    fn begin(&mut self, now: Instant, admission: &Admission) {
        if self.since.is_some() {
            return;
        }
        self.since = Some(now);
        self.counted = Some(admission.meter().enter_queue());
    }

    /// How long the request can wait.
    fn patience(&self, admission: &Admission, now: Instant) -> Patience {
        Patience {
            priority: self.priority,
            until: later(self.since.unwrap_or(now), self.max_wait),
            deadline: self.deadline.map(Deadline::instant),
            route: admission.route(),
        }
    }

    fn waited(&self, now: Instant) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    fn finish(&mut self, meter: &Meter, now: Instant) {
        let waited = self.waited(now);
        self.counted = None;
        meter.waited(waited);
        events::record_wait(waited);
    }

    fn error(&self, admission: &Admission, now: Instant, why: TooLate) -> Error {
        let retry_after = why.next.map(|next| next.saturating_duration_since(now));
        let (key, waited) = (admission.key(now), self.waited(now));
        let TooLate { is_cold, is_down, .. } = why;
        let kind =
            ErrorKind::Throttled { key, waited, is_limit_known: !is_cold && !is_down, is_down };
        let classification = if is_down {
            // Like that of an open circuit, so that no layer outside waits for the next permit.
            Classification::of_open_circuit(
                ErrorClass::Unavailable,
                retry_after.unwrap_or_default(),
            )
        } else {
            Classification::of_class(ErrorClass::Throttled).with_retry_after(retry_after)
        };
        let endpoint = self.endpoint.clone();
        let classification = Some(classification);
        Error::new(kind, Details { classification, endpoint, ..Details::default() })
    }
}
