use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Request;
use tokio::{
    task::unconstrained,
    time::{Instant, Sleep, sleep_until},
};

use super::{Phase, TimeoutConfig};
use crate::{
    body::Upload,
    clock::Clock,
    endpoint::Endpoint,
    error::Error,
    extensions::{
        Deadline,
        ambient::{Activity, Scope},
    },
};

/// The time limit of one call, and the endpoint that was called.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    /// The end of the call.
    deadline: Deadline,
    /// The deadline that the layers inside see. An outer layer's may be earlier, and the outer layer enforces that one.
    ambient: Deadline,
    duration: Duration,
    endpoint: Option<Arc<str>>,
    /// None if the whole body was there at the call, or nobody told.
    upload: Option<Upload>,
}

// === impl Limit ===

impl Limit {
    /// The limit of a call that starts now: the endpoint's, or the request's deadline if that is earlier.
    #[inline(always)]
    pub(super) fn of<B>(
        request: &Request<B>,
        endpoint: &Endpoint<'_, TimeoutConfig>,
        now: Instant,
    ) -> Option<Self> {
        let own =
            endpoint.config().get().and_then(|limit| Some((Deadline::after(now, limit)?, limit)));
        let of_request = request
            .extensions()
            .get()
            .map(|deadline: &Deadline| (*deadline, deadline.remaining(now)));
        let (deadline, duration) = match (own, of_request) {
            (Some(own), Some(of_request)) => own.min(of_request),
            (own, of_request) => own.or(of_request)?,
        };
        let ambient = Deadline::ambient().map_or(deadline, |outer| outer.min(deadline));
        let upload = request.extensions().get().cloned();
        Some(Self { deadline, ambient, duration, endpoint: endpoint.shared_pattern(), upload })
    }

    /// Sets the ambient deadline for the inner call.
    #[inline]
    pub(super) fn enter_call(&self, now: Instant) -> Scope {
        Scope::around_call(self.ambient, now)
    }

    /// Sets the ambient deadline for an inner poll.
    #[inline]
    pub(super) fn enter_poll(&self) -> Scope {
        Scope::around_poll(self.ambient)
    }

    /// A timer for this limit. It is made at the first `Pending`, so that a call that is never pending has none.
    pub(super) fn timer(&self) -> Sleep {
        sleep_until(self.deadline.instant())
    }

    /// Is ready once the limit is exceeded, while the response head is pending.
    pub(super) fn poll_head(
        &self,
        mut timer: Pin<&mut Option<Sleep>>,
        activity: Activity,
        cx: &mut Context<'_>,
    ) -> Poll<Error> {
        let phase = match activity {
            Activity::Waiting => Phase::Waiting,
            Activity::Sending if self.is_uploading() => Phase::Uploading,
            Activity::Sending => Phase::Headers,
        };
        if timer.is_none() {
            timer.set(Some(self.timer()));
        }
        match timer.as_pin_mut() {
            Some(timer) => self.poll_exceeded(timer, cx, phase),
            None => Poll::Pending,
        }
    }

    fn is_uploading(&self) -> bool {
        self.upload.as_ref().is_some_and(Upload::is_in_progress)
    }

    /// Is ready once the limit is exceeded.
    pub(super) fn poll_exceeded(
        &self,
        timer: Pin<&mut Sleep>,
        cx: &mut Context<'_>,
        phase: Phase,
    ) -> Poll<Error> {
        // The inner service may have used up the task's cooperative budget, without which the timer would stay pending.
        pin!(unconstrained(timer)).poll(cx).map(|()| self.error(phase))
    }

    /// The error if the limit is exceeded by now.
    pub(super) fn check(&self, phase: Phase) -> Option<Error> {
        let remaining = self.deadline.remaining(Clock::default().now());
        remaining.is_zero().then(|| self.error(phase))
    }

    fn error(&self, phase: Phase) -> Error {
        Error::timeout(self.duration, phase, self.endpoint.clone())
    }
}
