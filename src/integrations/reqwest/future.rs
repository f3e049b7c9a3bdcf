use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::reqwest::{Body, Error, Response};
use pin_project_lite::pin_project;

use crate::BoxError;

pin_project! {
    /// The response, as an [`http::Response`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F> {
        // The request is in flight.
        InFlight { #[pin] inner: F },
        // reqwest does not accept the request; none once the error was returned.
        Invalid { error: Option<Error> },
    }
}

// === impl ResponseFuture ===

impl<F> ResponseFuture<F> {
    pub(super) const fn in_flight(inner: F) -> Self {
        Self { state: State::InFlight { inner } }
    }

    pub(super) const fn invalid(error: Error) -> Self {
        Self { state: State::Invalid { error: Some(error) } }
    }
}

impl<F, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response, E>>,
    E: Into<BoxError>,
{
    type Output = Result<http::Response<Body>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::InFlight { inner } => {
                let result = ready!(inner.poll(cx));
                Poll::Ready(result.map(Into::into).map_err(|error| redacted(error.into())))
            }
            StateProj::Invalid { error } => match error.take() {
                Some(error) => Poll::Ready(Err(redacted(error.into()))),
                None => Poll::Pending,
            },
        }
    }
}

/// Removes the query, the fragment and the credentials from the URL of a reqwest error.
fn redacted(mut error: BoxError) -> BoxError {
    if let Some(url) = error.downcast_mut().and_then(Error::url_mut) {
        url.set_query(None);
        url.set_fragment(None);
        // Fails for URLs that cannot have credentials.
        let _ = url.set_username("");
        let _ = url.set_password(None);
    }
    error
}
