use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;

use super::call::Call;
use crate::{BoxError, Error, extensions::ambient};

pin_project! {
    /// The inner service's response, or the error that the circuit is open.
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<F> {
        // Without a `call` the request is not looked at. In this order it is dropped first, while the inner future still is.
        InFlight { call: Option<Call>, #[pin] inner: F },
        Rejected { error: Option<Error> },
    }
}

// === impl ResponseFuture ===

impl<F> ResponseFuture<F> {
    pub(super) const fn in_flight(inner: F, call: Option<Call>) -> Self {
        Self { state: State::InFlight { call, inner } }
    }

    pub(super) const fn rejected(error: Error) -> Self {
        Self { state: State::Rejected { error: Some(error) } }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<B>, BoxError>;

    #[inline(always)]
    #[allow(clippy::expect_used, reason = "a future that was ready is not polled again")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProject::InFlight { call: None, inner } => inner.poll(cx).map_err(Into::into),
            StateProject::InFlight { call, inner } => {
                let (polled, activity) = ambient::activity_of(|| inner.poll(cx));
                if let Some(call) = call {
                    call.activity = activity;
                }
                let result = ready!(polled).map_err(Into::into);
                if let Some(call) = call.take() {
                    match &result {
                        Ok(response) => call.on_response(response),
                        Err(error) => call.on_error(error.as_ref()),
                    }
                }
                Poll::Ready(result)
            }
            StateProject::Rejected { error } => {
                let error = error.take().expect("`ResponseFuture` polled after it was ready");
                Poll::Ready(Err(error.into()))
            }
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
