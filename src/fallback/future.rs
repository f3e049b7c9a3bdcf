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
    config::Action,
    events,
    resolve::{Resolve, Resolved, Unresolved},
};
use crate::BoxError;

pin_project! {
    /// The upstream's response, a fallback response, or an error.
    pub struct ResponseFuture<F, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B> {
        // The request is in flight. Without a `call` its failure passes through.
        InFlight { #[pin] inner: F, call: Option<Call> },
        // The request failed, and resolving that takes time.
        Resolving { resolve: Pin<Box<Resolve<B>>> },
    }
}

// === impl ResponseFuture ===

impl<F, B> ResponseFuture<F, B> {
    pub(super) const fn new(inner: F, call: Option<Call>) -> Self {
        Self { state: State::InFlight { inner, call } }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
    E: Into<BoxError>,
{
    type Output = Result<Response<FallbackBody<B>>, BoxError>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let (inner, call) = match state.as_mut().project() {
                StateProj::InFlight { inner, call } => (inner, call),
                StateProj::Resolving { resolve } => return resolve.as_mut().poll(cx),
            };
            let result = ready!(inner.poll(cx)).map_err(Into::into);
            let Some(call) = call.take() else { return Poll::Ready(pass_through(result)) };
            let failed = match &result {
                Ok(response) => call.on_response(response),
                Err(error) => call.on_error(error.as_ref()),
            };
            let Some(failed) = failed else { return Poll::Ready(pass_through(result)) };
            if failed.action == Action::PassThrough {
                if failed.is_denied {
                    events::denied(&call, &failed.classification);
                }
                return Poll::Ready(pass_through(result));
            }
            let resolve = match result {
                Ok(response) => {
                    Resolve::draining(response.into_body(), Unresolved::new(call, failed, None))
                }
                Err(error) => match Unresolved::new(call, failed, Some(error)).resolve() {
                    Resolved::Done(result) => return Poll::Ready(result),
                    Resolved::Responding(response, failure) => {
                        Resolve::responding(response, failure)
                    }
                },
            };
            state.set(State::Resolving { resolve: Box::pin(resolve) });
        }
    }
}

fn pass_through<B>(
    result: Result<Response<B>, BoxError>,
) -> Result<Response<FallbackBody<B>>, BoxError> {
    result.map(|response| response.map(FallbackBody::upstream))
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
