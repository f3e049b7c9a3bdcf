use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;
use tracing::Span;

use super::span;
use crate::BoxError;

pin_project! {
    /// The response of one attempt. The attempt's span ends with it.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        // None once the attempt has ended.
        span: Option<Span>,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            if let Some(span) = this.project().span {
                span::end_cancelled(span);
            }
        }
    }
}

// === impl ResponseFuture ===

impl<F> ResponseFuture<F> {
    pub(super) const fn new(inner: F, span: Option<Span>) -> Self {
        Self { inner, span }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<B>, BoxError>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let entered = this.span.as_ref().map(Span::enter);
        let result = ready!(this.inner.poll(cx)).map_err(Into::into);
        drop(entered);
        if let Some(span) = this.span.take() {
            match &result {
                Ok(response) => span::end_with_response(&span, response),
                Err(error) => span::end_with_error(&span, error.as_ref()),
            }
        }
        Poll::Ready(result)
    }
}
