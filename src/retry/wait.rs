use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};

use super::{RetryOnRateLimit, call::Pause};
use crate::body::{Drain, drain};

pin_project! {
    /// The pause between two attempts: drains the failing response, then sleeps.
    pub(super) struct Wait<RB> {
        #[pin]
        drain: Option<Drain<RB>>,
        // Ends the draining, and then the sleep.
        #[pin]
        sleep: Sleep,
        pause: Pause,
        step: Step,
    }
}

#[derive(Clone, Copy)]
enum Step {
    Draining,
    Sleeping,
    Over,
}

// === impl Wait ===

impl<RB: Body> Wait<RB> {
    pub(super) fn new(body: Option<RB>, pause: Pause) -> Self {
        let give_up = match pause.begin.checked_add(RetryOnRateLimit::DRAIN_TIMEOUT) {
            Some(instant) => instant.min(pause.end),
            None => pause.end,
        };
        Self {
            drain: body.map(|body| drain(body, RetryOnRateLimit::DRAIN_MAX_BYTES)),
            sleep: sleep_until(give_up),
            pause,
            step: Step::Draining,
        }
    }
}

impl<RB: Body> Future for Wait<RB> {
    type Output = ();

    /// Stays ready once it is.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            *this.step = match this.step {
                Step::Draining => {
                    let drained = match this.drain.as_mut().as_pin_mut() {
                        Some(drain) => drain.poll(cx).is_ready(),
                        None => true,
                    };
                    let at_once = this.pause.is_empty();
                    if !drained && !at_once && this.sleep.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    // Dropped before the sleep, so that neither the response nor its connection is held through it.
                    this.drain.set(None);
                    if at_once {
                        Step::Over
                    } else {
                        this.sleep.as_mut().reset(this.pause.end);
                        Step::Sleeping
                    }
                }
                Step::Sleeping => {
                    std::task::ready!(this.sleep.as_mut().poll(cx));
                    Step::Over
                }
                Step::Over => return Poll::Ready(()),
            };
        }
    }
}
