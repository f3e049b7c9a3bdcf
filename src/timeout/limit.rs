//! The time limit of one call.

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

use super::{Config, Elapsed, Phase};
use crate::{
    clock::Clock,
    endpoint::Endpoint,
    extensions::{
        Deadline,
        ambient::{Activity, Scope},
    },
};

/// What one call was given, and for which endpoint.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    /// When this layer ends the call.
    deadline: Deadline,
    /// What the layers inside are told: an outer limit may be nearer, and is the outer layer's to enforce.
    in_force: Deadline,
    span: Duration,
    endpoint: Option<Arc<str>>,
}

// === impl Limit ===

impl Limit {
    /// The limit of a call that starts now: the endpoint's, or the deadline that the request brings if that is earlier.
    #[inline(always)]
    pub(super) fn of<B>(
        request: &Request<B>,
        endpoint: &Endpoint<'_, Config>,
        now: Instant,
    ) -> Option<Self> {
        let own =
            endpoint.config().get().and_then(|span| Some((Deadline::after(now, span)?, span)));
        let brought = request.extensions().get().map(|end: &Deadline| (*end, end.remaining(now)));
        let (deadline, span) = match (own, brought) {
            (Some(own), Some(brought)) => own.min(brought),
            (own, brought) => own.or(brought)?,
        };
        let in_force = Deadline::ambient().map_or(deadline, |outer| outer.min(deadline));
        Some(Self { deadline, in_force, span, endpoint: endpoint.shared_pattern() })
    }

    /// Puts the deadline in force for the layers that are called meanwhile.
    #[inline]
    pub(super) fn begin(&self, now: Instant) -> Scope {
        Scope::around_call(self.in_force, now)
    }

    /// Puts the deadline in force for the layers that are polled meanwhile.
    #[inline]
    pub(super) fn enter(&self) -> Scope {
        Scope::around_poll(self.in_force)
    }

    /// A timer for this limit. It is made at the first `Pending`, so that what is never pending costs none.
    pub(super) fn timer(&self) -> Sleep {
        sleep_until(self.deadline.instant())
    }

    /// Ready once the limit has run out, while the head of the answer is pending.
    pub(super) fn poll_head(
        &self,
        mut timer: Pin<&mut Option<Sleep>>,
        activity: Activity,
        cx: &mut Context<'_>,
    ) -> Poll<Elapsed> {
        let phase = match activity {
            Activity::Waiting => Phase::Waiting,
            Activity::Sending => Phase::Headers,
        };
        if timer.is_none() {
            timer.set(Some(self.timer()));
        }
        match timer.as_pin_mut() {
            Some(timer) => self.poll_elapsed(timer, cx, phase),
            None => Poll::Pending,
        }
    }

    /// Ready once the limit has run out.
    pub(super) fn poll_elapsed(
        &self,
        timer: Pin<&mut Sleep>,
        cx: &mut Context<'_>,
        phase: Phase,
    ) -> Poll<Elapsed> {
        // What is inside may have used up the task's cooperative budget; the timer has to see the time all the same.
        pin!(unconstrained(timer)).poll(cx).map(|()| self.elapsed(phase))
    }

    /// The error, if the limit has run out by now.
    pub(super) fn check(&self, phase: Phase) -> Option<Elapsed> {
        let left = self.deadline.remaining(Clock::default().now());
        left.is_zero().then(|| self.elapsed(phase))
    }

    fn elapsed(&self, phase: Phase) -> Elapsed {
        Elapsed::new(self.span, phase, self.endpoint.clone())
    }
}
