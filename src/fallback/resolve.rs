//! From a failure to the result that the caller gets.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use super::{
    FallbackBody, FallbackLayer,
    call::{Call, Failed},
    config::Action,
    events,
    respond::{Respond, RespondFuture, Responded},
};
use crate::{
    BoxError, ErrorKind,
    body::{Drain, drain},
    error::{Details, Error},
    extensions::Degraded,
};

/// A failure that does not pass through.
pub(super) struct Unresolved {
    call: Call,
    failed: Failed,
    /// None if the failure is a response.
    source: Option<BoxError>,
}

#[allow(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
pub(super) enum Resolved<B> {
    Done(Result<Response<FallbackBody<B>>, BoxError>),
    /// The closure's future runs.
    Responding(RespondFuture, Unresolved),
}

pin_project! {
    /// Drains the failed response's body and runs the closure's future.
    pub(super) struct Resolve<B> {
        #[pin]
        drain: Option<Drain<B>>,
        // Whether to wait for a body that is not there at once.
        may_wait: bool,
        #[pin]
        drain_timeout: Option<Sleep>,
        responding: Option<RespondFuture>,
        failure: Option<Unresolved>,
    }
}

// === impl Unresolved ===

impl Unresolved {
    pub(super) const fn new(call: Call, failed: Failed, source: Option<BoxError>) -> Self {
        Self { call, failed, source }
    }

    pub(super) fn resolve<B>(mut self) -> Resolved<B> {
        let respond = match self.failed.action {
            Action::FailOpen => self.call.config.respond.clone(),
            Action::FailClosed | Action::PassThrough => None,
        };
        let respond = respond.and_then(|respond| {
            Some((respond, self.call.failed_request(&self.failed.classification)?))
        });
        match respond {
            Some((Respond::Sync(respond), request)) => {
                let response = respond(&request);
                Resolved::Done(self.end(response))
            }
            Some((Respond::Async(respond), request)) => {
                Resolved::Responding(respond(request), self)
            }
            None => Resolved::Done(self.end(None)),
        }
    }

    /// The marked fallback response, or the error.
    fn end<B>(self, response: Responded) -> Result<Response<FallbackBody<B>>, BoxError> {
        let Self { call, failed: Failed { classification, .. }, source } = self;
        let class = classification.class();
        let Some(mut response) = response else {
            events::failed_closed(&call, &classification);
            call.meter().fell_back(class.as_str(), "fail_closed");
            let (classification, endpoint) = (Some(classification), call.endpoint);
            let details = Details { classification, endpoint, source, ..Details::default() };
            return Err(Error::new(ErrorKind::UpstreamUnavailable, details).into());
        };
        events::failed_open(&call, &classification);
        call.meter().fell_back(class.as_str(), "fail_open");
        response.extensions_mut().insert(Degraded::new(class, classification.retry_after()));
        Ok(response.map(FallbackBody::fallback))
    }
}

// === impl Resolve ===

impl<B: Body> Resolve<B> {
    /// Drains the failed response first, so that its connection is free before the closure runs.
    pub(super) fn draining(body: B, failure: Unresolved) -> Self {
        let drain = Some(drain(body, FallbackLayer::DRAIN_MAX_BYTES));
        let may_wait = failure.call.has_time_for(FallbackLayer::DRAIN_TIMEOUT);
        Self { drain, may_wait, drain_timeout: None, responding: None, failure: Some(failure) }
    }

    pub(super) const fn responding(response: RespondFuture, failure: Unresolved) -> Self {
        Self {
            drain: None,
            may_wait: false,
            drain_timeout: None,
            responding: Some(response),
            failure: Some(failure),
        }
    }
}

impl<B: Body> Future for Resolve<B> {
    type Output = Result<Response<FallbackBody<B>>, BoxError>;

    #[allow(clippy::expect_used, reason = "a future that was ready is not polled again")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        const TAKEN: &str = "`Resolve` polled after it was ready";
        let mut this = self.project();
        if let Some(drain) = this.drain.as_mut().as_pin_mut() {
            if drain.poll(cx).is_pending() && *this.may_wait {
                // Most bodies are there at once and need no timer.
                if this.drain_timeout.is_none() {
                    this.drain_timeout.set(Some(sleep(FallbackLayer::DRAIN_TIMEOUT)));
                }
                if let Some(timeout) = this.drain_timeout.as_mut().as_pin_mut() {
                    ready!(timeout.poll(cx));
                }
            }
            this.drain.set(None);
            this.drain_timeout.set(None);
        }
        loop {
            if let Some(responding) = this.responding {
                let response = ready!(responding.as_mut().poll(cx));
                return Poll::Ready(this.failure.take().expect(TAKEN).end(response));
            }
            match this.failure.take().expect(TAKEN).resolve() {
                Resolved::Done(result) => return Poll::Ready(result),
                Resolved::Responding(responding, failure) => {
                    *this.responding = Some(responding);
                    *this.failure = Some(failure);
                }
            }
        }
    }
}
