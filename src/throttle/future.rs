use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{answer, held::Held, visit::Visit};
use crate::{BoxError, policy::ambient::report_waiting};

pin_project! {
    /// The answer, or [`Throttled`](super::Throttled).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        // The request is on its way. With a turn at hand a call begins here.
        Sending { #[pin] future: S::Future, visit: Option<Visit> },
        // It is not its turn.
        Holding { held: Pin<Box<Held<S, B>>> },
    }
}

// === impl ResponseFuture ===

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) const fn sending(future: S::Future, visit: Option<Visit>) -> Self {
        Self { state: State::Sending { future, visit } }
    }

    pub(super) const fn held(held: Pin<Box<Held<S, B>>>) -> Self {
        Self { state: State::Holding { held } }
    }
}

impl<S, B, ResponseBody> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<ResponseBody>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProject::Sending { future, visit } => {
                    let result = ready!(future.poll(cx)).map_err(Into::into);
                    if let Some(visit) = visit.take() {
                        let end = match &result {
                            Ok(response) => answer::read(visit.rules(), response),
                            Err(error) => answer::read_error(visit.rules(), error.as_ref()),
                        };
                        visit.end(&end);
                    }
                    return Poll::Ready(result);
                }
                StateProject::Holding { held } => {
                    let polled = held.as_mut().poll_send(cx);
                    if polled.is_pending() {
                        report_waiting();
                    }
                    let (future, visit) = ready!(polled)?;
                    State::Sending { future, visit: Some(visit) }
                }
            };
            state.set(next);
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
