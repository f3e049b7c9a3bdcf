//! The wait of one instance for readiness, which is a part of its next call.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    task::unconstrained,
    time::{Instant, Sleep, sleep_until},
};

use crate::clock::Clock;

/// None in an instance that was ready at once, and in a clone.
#[derive(Debug, Default)]
pub(super) struct Readiness(Option<Box<Wait>>);

#[derive(Debug)]
struct Wait {
    since: Instant,
    limit: Duration,
    timer: Pin<Box<Sleep>>,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Waiting,
    Ready { after: Duration },
    TooLate,
}

// === impl Readiness ===

impl Readiness {
    pub(super) const fn new() -> Self {
        Self(None)
    }

    /// Is ready when the wait has lasted for `limit`: the call fails then, since an error of `poll_ready` is final.
    pub(super) fn poll_too_late(
        &mut self,
        limit: Option<Duration>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let Some(limit) = limit else { return Poll::Pending };
        let wait = match &mut self.0 {
            Some(wait) => wait,
            None => {
                let since = Clock::default().now();
                let Some(end) = since.checked_add(limit) else { return Poll::Pending };
                let timer = Box::pin(sleep_until(end));
                self.0.insert(Box::new(Wait { since, limit, timer, state: State::Waiting }))
            }
        };
        wait.state = State::Waiting;
        let polled = pin!(unconstrained(wait.timer.as_mut())).poll(cx);
        if polled.is_ready() {
            wait.state = State::TooLate;
        }
        polled
    }

    /// The inner service is ready.
    #[inline]
    pub(super) fn ready(&mut self) {
        if let Some(wait) = &mut self.0 {
            let after = Clock::default().now().saturating_duration_since(wait.since);
            wait.state = State::Ready { after };
        }
    }

    /// Ends with the call. How long it took to be ready.
    ///
    /// # Errors
    ///
    /// The limit, if it was too late.
    #[inline]
    pub(super) fn take(&mut self) -> Result<Duration, Duration> {
        match self.0.take() {
            None => Ok(Duration::ZERO),
            Some(wait) => match wait.state {
                State::Ready { after } if after < wait.limit => Ok(after),
                State::Ready { .. } => Err(wait.limit),
                State::Waiting => Ok(Duration::ZERO),
                State::TooLate => Err(wait.limit),
            },
        }
    }
}

impl Clone for Readiness {
    fn clone(&self) -> Self {
        Self::default()
    }
}
