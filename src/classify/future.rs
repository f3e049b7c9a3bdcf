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
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B> {
        /// The request is on its way.
        Sent { #[pin] inner: F, call: Call },
        /// It failed, and the beginning of its body is read.
        Failed { collect: Pin<Box<Collect<B>>> },
    }
}

// === impl ResponseFuture ===

impl<F, B> ResponseFuture<F, B> {
    pub(super) const fn new(inner: F, call: Call) -> Self {
        Self { state: State::Sent { inner, call } }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: Into<BoxError>,
{
    type Output = Result<Response<B>, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let (inner, call) = match state.as_mut().project() {
                StateProj::Sent { inner, call } => (inner, call),
                StateProj::Failed { collect } => {
                    return Poll::Ready(Err(ready!(collect.as_mut().poll(cx)).into()));
                }
            };
            let collect = match ready!(inner.poll(cx)) {
                Ok(mut answer) => match call.answered(&answer) {
                    None => return Poll::Ready(Ok(answer)),
                    Some(failure) => match call.bounds() {
                        None => {
                            answer.extensions_mut().insert(failure);
                            return Poll::Ready(Ok(answer));
                        }
                        Some(bounds) => Collect::new(failure, answer, bounds),
                    },
                },
                Err(error) => {
                    let error = error.into();
                    call.failed(&*error);
                    return Poll::Ready(Err(error));
                }
            };
            state.set(State::Failed { collect: Box::pin(collect) });
        }
    }
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
