use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{call::Call, saved::Saved, wait::Wait};
use crate::{
    BoxError,
    body::ReplayableBody,
    classify::Classification,
    extensions::ambient::{held_back, take_paced},
    ready::ReadyWait,
};

pin_project! {
    /// The future of [`RetryOnRateLimitService`](super::RetryOnRateLimitService).
    pub struct ResponseFuture<S, B, RB>
    where
        S: Service<Request<B>>,
    {
        pub(super) call: Call,
        pub(super) saved: Saved<B>,
        pub(super) service: S,
        #[pin]
        pub(super) state: State<S::Future, B, RB>,
    }
}

pin_project! {
    #[project = StateProj]
    pub(super) enum State<F, B, RB> {
        /// An attempt is in flight.
        InFlight {
            #[pin]
            inner: F,
        },
        /// An attempt failed, and the next one is not due yet, or the service is not ready for it.
        Pausing {
            resend: Pin<Box<Resend<B, RB>>>,
        },
    }
}

pin_project! {
    pub(super) struct Resend<B, RB> {
        // Taken for the next attempt.
        request: Option<Request<B>>,
        #[pin]
        wait: Wait<RB>,
        readiness: ReadyWait,
    }
}

// === impl ResponseFuture ===

impl<S, B, RB> Future for ResponseFuture<S, B, RB>
where
    S: Service<Request<B>, Response = Response<RB>>,
    S::Error: Into<BoxError>,
    B: ReplayableBody,
    RB: Body,
{
    type Output = Result<Response<RB>, BoxError>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::InFlight { inner } => {
                    // What an earlier call left behind does not count.
                    take_paced();
                    let mut polled = inner.poll(cx);
                    let failure = match &mut polled {
                        Poll::Ready(Ok(response)) => match this.call.classify(response) {
                            None => {
                                this.call.succeed(response);
                                return polled.map_err(Into::into);
                            }
                            failure => failure,
                        },
                        Poll::Ready(Err(_)) => None,
                        Poll::Pending => return Poll::Pending,
                    };
                    let result = ready!(polled).map_err(Into::into);
                    let of_error = |error: &BoxError| Classification::of_error(&**error);
                    let failure = failure.or_else(|| result.as_ref().err().and_then(of_error));
                    let Some(failure) = failure else { return Poll::Ready(result) };
                    match Resend::after(this.call, this.saved, &failure, result) {
                        Ok(resend) => State::Pausing { resend },
                        Err(result) => return Poll::Ready(result),
                    }
                }
                StateProj::Pausing { resend } => {
                    let polled = resend.as_mut().poll_request(this.service, this.call, cx);
                    let mut request = ready!(held_back(polled))?;
                    this.call.begin_attempt(&mut request);
                    State::InFlight { inner: this.service.call(request) }
                }
            };
            this.state.set(next);
        }
    }
}

impl<S, B, RB> fmt::Debug for ResponseFuture<S, B, RB>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("call", &self.call).finish_non_exhaustive()
    }
}

// === impl Resend ===

impl<B, RB: Body> Resend<B, RB> {
    /// The next attempt after this failure; the result itself if it ends the call.
    #[cold]
    fn after(
        call: &mut Call,
        saved: &Saved<B>,
        failure: &Classification,
        mut result: Result<Response<RB>, BoxError>,
    ) -> Result<Pin<Box<Self>>, Result<Response<RB>, BoxError>>
    where
        B: ReplayableBody,
    {
        match call.decide(failure, saved.eligibility(), &mut result, || saved.rewind()) {
            Some((pause, request)) => {
                let wait = Wait::new(result.ok().map(Response::into_body), pause);
                let readiness = ReadyWait::default();
                Ok(Box::pin(Self { request: Some(request), wait, readiness }))
            }
            None => Err(result),
        }
    }

    /// The request, once it is due and `service` is ready for it.
    fn poll_request<S>(
        self: Pin<&mut Self>,
        service: &mut S,
        call: &Call,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Request<B>, BoxError>>
    where
        S: Service<Request<B>>,
        S::Error: Into<BoxError>,
    {
        let this = self.project();
        ready!(this.wait.poll(cx));
        let readied = ready!(this.readiness.poll(&mut None, service, call.deadline(), cx));
        readied.map_err(|not_ready| call.not_ready(not_ready))??;
        #[allow(clippy::expect_used, reason = "this state ends when the request is sent")]
        let request = this.request.take().expect("a request is sent once");
        Poll::Ready(Ok(request))
    }
}
