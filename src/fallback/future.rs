use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{
    FallbackBody,
    call::Call,
    config::Then,
    events,
    settle::{Settle, Settled, Settlement},
};
use crate::BoxError;

pin_project! {
    /// The upstream's answer, one in its place, or [`UpstreamUnavailable`](super::UpstreamUnavailable).
    pub struct ResponseFuture<F, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B> {
        /// The request is on its way. Without a `call` nothing is done about its failing.
        Sent { #[pin] inner: F, call: Option<Call> },
        /// It failed, and what the caller gets takes a moment.
        Settling { settle: Pin<Box<Settle<B>>> },
    }
}

// === impl ResponseFuture ===

impl<F, B> ResponseFuture<F, B> {
    pub(super) const fn new(inner: F, call: Option<Call>) -> Self {
        Self { state: State::Sent { inner, call } }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
    E: Into<BoxError>,
{
    type Output = Result<Response<FallbackBody<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let (inner, call) = match state.as_mut().project() {
                StateProj::Sent { inner, call } => (inner, call),
                StateProj::Settling { settle } => return settle.as_mut().poll(cx),
            };
            let result = ready!(inner.poll(cx)).map_err(Into::into);
            let Some(call) = call.take() else { return Poll::Ready(passed(result)) };
            let failed = match &result {
                Ok(answer) => call.answered(answer),
                Err(error) => call.failed(error.as_ref()),
            };
            let Some(failed) = failed else { return Poll::Ready(passed(result)) };
            if failed.then == Then::PassThrough {
                if failed.denied.is_some() {
                    events::not_open(call.endpoint(), &failed.classification);
                }
                return Poll::Ready(passed(result));
            }
            let settle = match result {
                Ok(answer) => {
                    let settlement = Settlement::new(call, failed, None);
                    Settle::of_answer(answer.into_body(), settlement)
                }
                Err(error) => match Settlement::new(call, failed, Some(error)).settle() {
                    Settled::Done(result) => return Poll::Ready(result),
                    Settled::Later(later, settlement) => Settle::later(later, settlement),
                },
            };
            state.set(State::Settling { settle: Box::pin(settle) });
        }
    }
}

fn passed<B>(result: Result<Response<B>, BoxError>) -> Result<Response<FallbackBody<B>>, BoxError> {
    result.map(|response| response.map(FallbackBody::upstream))
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
