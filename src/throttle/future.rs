use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{admission::Admission, outcome::AttemptOutcome, queued::Queued};
use crate::{BoxError, extensions::ambient::held_back};

pin_project! {
    /// Resolves to the response, or to an [`Error`](crate::Error) of the kind [`Throttled`](crate::ErrorKind::Throttled).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        // Present from the attempt to its end; never for a request that is not throttled.
        pub(super) admission: Option<Admission>,
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
        // The request is in flight: a call with a permit begins here.
        InFlight { #[pin] future: S::Future },
        Queued { queued: Pin<Box<Queued<S, B>>> },
    }
}

// === impl ResponseFuture ===

impl<S, B, ResponseBody> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<ResponseBody>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody>, BoxError>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProject::InFlight { future } => {
                    let polled = future.poll(cx);
                    if let Poll::Ready(Ok(response)) = &polled {
                        if let Some(admission) = this.admission {
                            admission
                                .end(&AttemptOutcome::of_response(admission.shared(), response));
                        }
                    }
                    return polled.map_err(|error| {
                        let error = error.into();
                        if let Some(admission) = this.admission {
                            admission.end(&AttemptOutcome::of_error(admission.shared(), &*error));
                        }
                        error
                    });
                }
                StateProject::Queued { queued } => {
                    let (future, admission) = ready!(held_back(queued.as_mut().poll_send(cx)))?;
                    *this.admission = Some(admission);
                    State::InFlight { future }
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
