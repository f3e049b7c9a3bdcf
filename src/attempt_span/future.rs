use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;
use tracing::Span;

use super::{layer::Settings, span};
use crate::{BoxError, metrics::Duration};

pin_project! {
    /// The response of one attempt. The attempt's span ends with it.
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, S::Future, B>,
        // None once the attempt has ended.
        attempt: Option<Attempt>,
    }

    impl<S, B> PinnedDrop for ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        fn drop(this: Pin<&mut Self>) {
            if let Some(attempt) = this.project().attempt.take() {
                attempt.cancelled();
            }
        }
    }
}

pin_project! {
    #[project = StateProject]
    enum State<S, F, B> {
        // Until the first poll, which is in the span that is to be the parent.
        Unsent { unsent: Option<(S, Request<B>, Arc<Settings>)> },
        InFlight { #[pin] inner: F },
    }
}

/// What is seen of an attempt in flight.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    pub(super) span: Option<Span>,
    pub(super) duration: Option<Duration>,
}

// === impl ResponseFuture ===

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) const fn in_flight(inner: S::Future, attempt: Option<Attempt>) -> Self {
        Self { state: State::InFlight { inner }, attempt }
    }

    /// Sends `request` by a service that is ready, at the first poll.
    pub(super) const fn unsent(service: S, request: Request<B>, settings: Arc<Settings>) -> Self {
        Self { state: State::Unsent { unsent: Some((service, request, settings)) }, attempt: None }
    }
}

impl<S, B, ResponseBody> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<ResponseBody>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody>, BoxError>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let StateProject::Unsent { unsent } = this.state.as_mut().project() {
            if let Some((mut service, request, settings)) = unsent.take() {
                let attempt = settings.begin(&request, true);
                let entered = attempt.span.as_ref().map(Span::enter);
                let inner = service.call(request);
                drop(entered);
                *this.attempt = Some(attempt);
                this.state.set(State::InFlight { inner });
            }
        }
        let StateProject::InFlight { inner } = this.state.project() else { return Poll::Pending };
        let span = this.attempt.as_ref().and_then(|attempt| attempt.span.as_ref());
        let entered = span.map(Span::enter);
        let result = ready!(inner.poll(cx)).map_err(Into::into);
        drop(entered);
        if let Some(attempt) = this.attempt.take() {
            attempt.ended(&result);
        }
        Poll::Ready(result)
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

// === impl Attempt ===

impl Attempt {
    fn ended<B>(self, result: &Result<Response<B>, BoxError>) {
        let (status, error) = match result {
            Ok(response) => (Some(response.status()), span::error_of_response(response)),
            Err(error) => (None, Some(span::error_of(error.as_ref()))),
        };
        if let Some(span) = &self.span {
            match result {
                Ok(response) => span::end_with_response(span, response),
                Err(error) => span::end_with_error(span, error.as_ref()),
            }
        }
        if let Some(duration) = self.duration {
            duration.ended(status, error);
        }
    }

    fn cancelled(self) {
        if let Some(span) = &self.span {
            span::end_cancelled(span);
        }
        if let Some(duration) = self.duration {
            duration.ended(None, Some("cancelled".into()));
        }
    }
}
