use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Response, StatusCode};
use pin_project_lite::pin_project;

use super::DetachBody;
use crate::{BoxError, error::Error};

/// Marks the 202 of this layer in its extensions: the request is queued for the background.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detached;

pin_project! {
    /// The inner service's response, a 202 for a queued request, or an error.
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
        InFlight { #[pin] future: F },
        // The request was queued or rejected.
        Queued { queued: Option<Result<(), Error>> },
    }
}

// === impl ResponseFuture ===

impl<F> ResponseFuture<F> {
    pub(super) const fn in_flight(future: F) -> Self {
        Self { state: State::InFlight { future } }
    }

    pub(super) const fn queued(queued: Result<(), Error>) -> Self {
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
            StateProject::InFlight { future } => match ready!(future.poll(cx)) {
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
