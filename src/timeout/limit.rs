use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
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

/// The time limits of one call, and the endpoint that was called.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    /// None if only idle time is limited.
    whole: Option<Whole>,
    idle: Option<Box<Idle>>,
    endpoint: Option<Arc<str>>,
    /// None if the whole body was there at the call, or nobody told.
    upload: Option<Upload>,
}

/// The limit of the whole call.
#[derive(Clone, Copy, Debug)]
struct Whole {
    /// The end of the call.
    deadline: Deadline,
    /// The deadline that the layers inside see. An outer layer's may be earlier, and the outer layer enforces that one.
    ambient: Deadline,
    duration: Duration,
}

/// The limit of the time in which nothing arrives.
#[derive(Clone, Debug)]
struct Idle {
    limit: Duration,
    /// Since when the call waits for the next piece; None while it does not.
    since: Option<Instant>,
    /// How far the upload had come then.
    uploaded: u64,
}

// === impl Limit ===

impl Limit {
    /// The limits of a call that starts now, after a wait for readiness of `waited`: the endpoint's, or the request's deadline if that is
    /// earlier.
    #[inline(always)]
    pub(super) fn of<B>(
        request: &Request<B>,
        endpoint: &Endpoint<'_, TimeoutConfig>,
        now: Instant,
        waited: Duration,
    ) -> Option<Self> {
        let own = endpoint
            .config()
            .get()
            .and_then(|limit| Some((Deadline::after(now, limit.saturating_sub(waited))?, limit)));
        let of_request = request
            .extensions()
            .get()
            .map(|deadline: &Deadline| (*deadline, deadline.remaining(now)));
        let whole = match (own, of_request) {
            (Some(own), Some(of_request)) => Some(own.min(of_request)),
            (own, of_request) => own.or(of_request),
        };
        let whole = whole.map(|(deadline, duration)| {
            let ambient = Deadline::ambient().map_or(deadline, |outer| outer.min(deadline));
            Whole { deadline, ambient, duration }
        });
        let idle = endpoint.config().get_idle();
        if whole.is_none() && idle.is_none() {
            return None;
        }
        let upload: Option<Upload> = request.extensions().get().cloned();
        let idle = idle.map(|limit| {
            let uploaded = upload.as_ref().map_or(0, Upload::progress);
            Box::new(Idle { limit, since: None, uploaded })
        });
        Some(Self { whole, idle, endpoint: endpoint.shared_pattern(), upload })
    }

    /// Sets the ambient deadline for the inner call.
    #[inline]
    pub(super) fn enter_call(&self, now: Instant) -> Scope {
        Scope::around_call(self.ambient(), now)
    }

    /// Sets the ambient deadline for an inner poll.
    #[inline]
    pub(super) fn enter_poll(&self) -> Scope {
        Scope::around_poll(self.ambient())
    }

    /// The time to the earliest deadline.
    pub(super) fn remaining(&self, now: Instant) -> Option<Duration> {
        self.ambient().or_else(Deadline::ambient).map(|deadline| deadline.remaining(now))
    }

    #[inline]
    fn ambient(&self) -> Option<Deadline> {
        self.whole.map(|whole| whole.ambient)
    }

    /// Is ready once a limit is exceeded, while the response head is pending.
    pub(super) fn poll_head(
        &mut self,
        mut timer: Pin<&mut Option<Sleep>>,
        activity: Activity,
        cx: &mut Context<'_>,
    ) -> Poll<Error> {
        let phase = match activity {
            Activity::Waiting => Phase::Waiting,
            Activity::Sending if self.is_uploading() => Phase::Uploading,
            Activity::Sending => Phase::Headers,
        };
        let Some(end) = self.end(activity) else { return Poll::Pending };
        if timer.is_none() {
            // At the first `Pending`, so that a call that is never pending has no timer.
            timer.set(Some(sleep_until(end)));
        }
        match timer.as_pin_mut() {
            Some(timer) => self.poll_exceeded(timer, end, cx, phase),
            None => Poll::Pending,
        }
    }

    fn is_uploading(&self) -> bool {
        self.upload.as_ref().is_some_and(Upload::is_in_progress)
    }

    /// When the next limit is exceeded, if what is pending now stays so.
    pub(super) fn end(&mut self, activity: Activity) -> Option<Instant> {
        let end = self.whole.map(|whole| whole.deadline.instant());
        let of_idle = self.idle.as_mut().and_then(|idle| {
            let uploaded = self.upload.as_ref().map_or(0, Upload::progress);
            if activity == Activity::Waiting || uploaded != idle.uploaded {
                (idle.since, idle.uploaded) = (None, uploaded);
            }
            if activity == Activity::Waiting {
                return None;
            }
            let since = *idle.since.get_or_insert_with(|| Clock::default().now());
            since.checked_add(idle.limit)
        });
        end.into_iter().chain(of_idle).min()
    }

    /// Notes that a piece of the response has arrived.
    #[inline]
    pub(super) fn arrived(&mut self) {
        if let Some(idle) = &mut self.idle {
            idle.since = None;
        }
    }

    /// Is ready once a limit is exceeded, the next one at `end`.
    pub(super) fn poll_exceeded(
        &mut self,
        mut timer: Pin<&mut Sleep>,
        mut end: Instant,
        cx: &mut Context<'_>,
        phase: Phase,
    ) -> Poll<Error> {
        loop {
            // The end moves only with each piece that arrives.
            if self.idle.is_some() && timer.deadline() != end {
                timer.as_mut().reset(end);
            }
            // The inner service may have used up the task's cooperative budget, without which the timer would stay pending.
            ready!(pin!(unconstrained(timer.as_mut())).poll(cx));
            // The upload may have gone on meanwhile.
            match self.end(Activity::Sending) {
                Some(later) if later > end => end = later,
                _ => return Poll::Ready(self.exceeded(phase)),
            }
        }
    }

    /// The error of the limit that is exceeded.
    fn exceeded(&self, phase: Phase) -> Error {
        let of_idle = self.idle.as_ref().map(|idle| self.error(idle.limit, phase));
        let whole = || self.error(self.whole.map_or(Duration::ZERO, |whole| whole.duration), phase);
        self.check(phase).or(of_idle).unwrap_or_else(whole)
    }

    /// The error if the limit of the whole call is exceeded by now.
    pub(super) fn check(&self, phase: Phase) -> Option<Error> {
        let whole = self.whole?;
        let remaining = whole.deadline.remaining(Clock::default().now());
        remaining.is_zero().then(|| self.error(whole.duration, phase))
    }

    fn error(&self, limit: Duration, phase: Phase) -> Error {
        Error::timeout(limit, phase, self.endpoint.clone())
    }
}
