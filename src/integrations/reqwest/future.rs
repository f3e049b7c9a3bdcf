use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::reqwest::{Body, Error, Response};
use pin_project_lite::pin_project;

use crate::BoxError;

pin_project! {
    /// The answer, as the layers know it.
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
        // On its way.
        Sent { #[pin] inner: F },
        // A request that reqwest does not take; none once this was said.
        Refused { error: Option<Error> },
    }
}

// === impl ResponseFuture ===

impl<F> ResponseFuture<F> {
    pub(super) const fn sent(inner: F) -> Self {
        Self { state: State::Sent { inner } }
    }

    pub(super) const fn refused(error: Error) -> Self {
        Self { state: State::Refused { error: Some(error) } }
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
            StateProj::Sent { inner } => {
                let sent = ready!(inner.poll(cx));
                Poll::Ready(sent.map(Into::into).map_err(|error| discreet(error.into())))
            }
            StateProj::Refused { error } => match error.take() {
                Some(error) => Poll::Ready(Err(discreet(error.into()))),
                None => Poll::Pending,
            },
        }
    }
}

/// The error, if it is reqwest's without what may be secret in the URL that it shows.
fn discreet(mut error: BoxError) -> BoxError {
    if let Some(url) = error.downcast_mut().and_then(Error::url_mut) {
        url.set_query(None);
        url.set_fragment(None);
        // Refused for URLs that can have no credentials.
        let _ = url.set_username("");
        let _ = url.set_password(None);
    }
    error
}
