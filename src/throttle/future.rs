use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{admission::Visit, outcome::End, queued::Held};
use crate::{BoxError, extensions::ambient::held_back};

pin_project! {
    /// The answer, or [`Throttled`](super::Throttled).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        // Until the end of the send; none before it begins.
        pub(super) visit: Option<Visit>,
        #[pin]
        pub(super) state: State<S, B>,
    }
}

pin_project! {
    #[project = StateProject]
    pub(super) enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        // The request is on its way. With a turn at hand a call begins here.
        Sending { #[pin] future: S::Future },
        // It is not its turn.
        Holding { held: Pin<Box<Held<S, B>>> },
    }
}

// === impl ResponseFuture ===

impl<S, B, ResponseBody> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<ResponseBody>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody>, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProject::Sending { future } => {
                    let polled = future.poll(cx);
                    if let Poll::Ready(Ok(response)) = &polled {
                        if let Some(visit) = this.visit {
                            visit.end(&End::of_answer(visit.rules(), response));
                        }
                    }
                    return polled.map_err(|error| {
                        let error = error.into();
                        if let Some(visit) = this.visit {
                            visit.end(&End::of_error(visit.rules(), &*error));
                        }
                        error
                    });
                }
                StateProject::Holding { held } => {
                    let (future, visit) = ready!(held_back(held.as_mut().poll_send(cx)))?;
                    *this.visit = Some(visit);
                    State::Sending { future }
                }
            };
            this.state.set(next);
        }
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
