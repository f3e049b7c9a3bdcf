use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;

use super::{
    CacheBody,
    waiting::{CallResult, WaitingFuture},
    write::Write,
};
use crate::BoxError;

pin_project! {
    /// The future of a call through [`ResponseCache`](super::ResponseCache).
    pub struct ResponseFuture<F, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<F, B> {
        // The request passes through. The outcome of a write is looked at.
        Passing { #[pin] future: F, write: Option<Write> },
        Ready { response: Option<Response<CacheBody<B>>> },
        Waiting { waiting: WaitingFuture<B> },
    }
}

// === impl ResponseFuture ===

impl<F, B> ResponseFuture<F, B> {
    pub(super) const fn passing(future: F, write: Option<Write>) -> Self {
        Self { state: State::Passing { future, write } }
    }

    pub(super) const fn ready(response: Response<CacheBody<B>>) -> Self {
        Self { state: State::Ready { response: Some(response) } }
    }

    pub(super) const fn waiting(waiting: WaitingFuture<B>) -> Self {
        Self { state: State::Waiting { waiting } }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = CallResult<B>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProject::Passing { future, write } => {
                let result = ready!(future.poll(cx)).map_err(Into::into);
                if let Some(write) = write.take() {
                    write.end(&result);
                }
                Poll::Ready(result.map(|response| response.map(CacheBody::passed)))
            }
            StateProject::Ready { response } => {
                #[allow(clippy::expect_used, reason = "a completed future is not polled again")]
                let response = response.take().expect("a completed future is not polled again");
                Poll::Ready(Ok(response))
            }
            StateProject::Waiting { waiting } => waiting.as_mut().poll(cx),
        }
    }
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
