use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{call::Call, collect::Collect};
use crate::BoxError;

pin_project! {
    /// The future of [`ErrorClassify`](super::ErrorClassify).
    pub struct ResponseFuture<F, B> {
        pub(super) call: Call,
        #[pin]
        pub(super) state: State<F, B>,
    }
}

pin_project! {
    #[project = StateProj]
    pub(super) enum State<F, B> {
        /// The request is in flight.
        InFlight { #[pin] inner: F },
        /// The response is a failure, and the beginning of its body is read.
        Collecting { collect: Pin<Box<Collect<B>>> },
    }
}

// === impl ResponseFuture ===

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: Into<BoxError>,
{
    type Output = Result<Response<B>, BoxError>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let inner = match this.state.as_mut().project() {
                StateProj::InFlight { inner } => inner,
                StateProj::Collecting { collect } => {
                    return Poll::Ready(Err(ready!(collect.as_mut().poll(cx)).into()));
                }
            };
            let polled = inner.poll(cx);
            let failure = match &polled {
                Poll::Ready(Ok(response)) => this.call.on_response(response),
                Poll::Ready(Err(_)) | Poll::Pending => None,
            };
            let Some(failure) = failure else {
                return polled.map_err(|error| {
                    let error = error.into();
                    this.call.on_error(&*error);
                    error
                });
            };
            let mut response = ready!(polled).map_err(Into::into)?;
            let Some(bounds) = this.call.bounds() else {
                response.extensions_mut().insert(failure);
                return Poll::Ready(Ok(response));
            };
            let collect = Collect::new(failure, this.call.pattern(), response, bounds);
            this.state.set(State::Collecting { collect: Box::pin(collect) });
        }
    }
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
