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
    time::{Sleep, sleep_until},
};

use super::{Config, Elapsed, Phase};
use crate::{
    clock::Clock,
    policy::{Deadline, Endpoint, ambient::Scope, earlier},
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
    clock: Clock,
}

// === impl Limit ===

impl Limit {
    /// The limit of a call that starts now: the endpoint's, or the deadline that the request brings if that is earlier.
    pub(super) fn of<B>(
        request: &Request<B>,
        endpoint: &Endpoint<'_, Config>,
        clock: &Clock,
    ) -> Option<Self> {
        let brought = request.extensions().get::<Deadline>().copied();
        let span = endpoint.config().get();
        if span.is_none() && brought.is_none() {
            return None;
        }
        let now = clock.now();
        let own = span.and_then(|span| Deadline::after(now, span));
        let deadline = earlier(own, brought)?;
        let in_force = earlier(Some(deadline), Deadline::ambient())?;
        let span = match span {
            Some(span) if own == Some(deadline) => span,
            Some(_) | None => deadline.remaining(now),
        };
        let endpoint = endpoint.shared_pattern();
        Some(Self { deadline, in_force, span, endpoint, clock: clock.clone() })
    }

    /// Puts the deadline in force for the layers that are called or polled meanwhile.
    #[inline]
    pub(super) fn enter(&self) -> Scope {
        Scope::enter(self.in_force)
    }

    /// A timer for this limit. It is made at the first `Pending`, so that what is never pending costs none.
    pub(super) fn timer(&self) -> Sleep {
        sleep_until(self.deadline.instant())
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
        let left = self.deadline.remaining(self.clock.now());
        left.is_zero().then(|| self.elapsed(phase))
    }

    fn elapsed(&self, phase: Phase) -> Elapsed {
        Elapsed::new(self.span, phase, self.endpoint.clone())
    }
}
