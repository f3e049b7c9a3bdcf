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
    waiter::{Answered, Waiting},
    write::Write,
};
use crate::BoxError;

pin_project! {
    /// The response, out of the cache or of the inner service.
    pub struct ResponseFuture<F, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<F, B> {
        // The layer has nothing to do with the request, or looks at its outcome alone.
        Passing { #[pin] future: F, write: Option<Write> },
        // The response was at hand.
        Ready { response: Option<Response<CacheBody<B>>> },
        // A flight is under way.
        Waiting { waiting: Waiting<B> },
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

    pub(super) const fn waiting(waiting: Waiting<B>) -> Self {
        Self { state: State::Waiting { waiting } }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Answered<B>;

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
                #[allow(
                    clippy::expect_used,
                    reason = "a future that has ended is not polled again"
                )]
                let response =
                    response.take().expect("a future that has ended is not polled again");
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
