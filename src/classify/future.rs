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
    /// The answer with its meaning, or [`ClassifiedError`](super::ClassifiedError).
    pub struct ResponseFuture<F, B> {
        pub(super) call: Call,
        #[pin]
        pub(super) state: State<F, B>,
    }
}

pin_project! {
    #[project = StateProj]
    pub(super) enum State<F, B> {
        /// The request is on its way.
        Sent { #[pin] inner: F },
        /// It failed, and the beginning of its body is read.
        Failed { collect: Pin<Box<Collect<B>>> },
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

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let inner = match this.state.as_mut().project() {
                StateProj::Sent { inner } => inner,
                StateProj::Failed { collect } => {
                    return Poll::Ready(Err(ready!(collect.as_mut().poll(cx)).into()));
                }
            };
            let polled = inner.poll(cx);
            let failed = match &polled {
                Poll::Ready(Ok(answer)) => this.call.answered(answer),
                Poll::Ready(Err(_)) | Poll::Pending => None,
            };
            let Some(failure) = failed else {
                return polled.map_err(|error| {
                    let error = error.into();
                    this.call.failed(&*error);
                    error
                });
            };
            let mut answer = ready!(polled).map_err(Into::into)?;
            let Some(bounds) = this.call.bounds() else {
                answer.extensions_mut().insert(failure);
                return Poll::Ready(Ok(answer));
            };
            let collect = Collect::new(failure, answer, bounds);
            this.state.set(State::Failed { collect: Box::pin(collect) });
        }
    }
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
