use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Response, StatusCode};
use pin_project_lite::pin_project;

use super::{DetachBody, NotQueued};
use crate::BoxError;

/// On a response: it was made here, and says that the request was taken on to be sent in the background.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detached;

pin_project! {
    /// The inner service's answer, or 202 for a request that was taken on, or [`NotQueued`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProject]
    enum State<F> {
        // The request passes through.
        Sending { #[pin] future: F },
        // It was taken on, or not.
        Queued { queued: Option<Result<(), NotQueued>> },
    }
}

// === impl ResponseFuture ===

impl<F> ResponseFuture<F> {
    pub(super) const fn sending(future: F) -> Self {
        Self { state: State::Sending { future } }
    }

    pub(super) const fn queued(queued: Result<(), NotQueued>) -> Self {
        Self { state: State::Queued { queued: Some(queued) } }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<DetachBody<B>>, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project().state.project() {
            StateProject::Sending { future } => match ready!(future.poll(cx)) {
                Ok(response) => Ok(response.map(DetachBody::of)),
                Err(error) => Err(error.into()),
            },
            #[allow(clippy::expect_used, reason = "a future that has ended is not polled again")]
            StateProject::Queued { queued } => {
                match queued.take().expect("a future that has ended is not polled again") {
                    Ok(()) => Ok(accepted()),
                    Err(error) => Err(error.into()),
                }
            }
        })
    }
}

fn accepted<B>() -> Response<DetachBody<B>> {
    let mut response = Response::new(DetachBody::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    response.extensions_mut().insert(Detached);
    response
}
