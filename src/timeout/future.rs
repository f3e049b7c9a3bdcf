use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use pin_project_lite::pin_project;
use tokio::time::Sleep;

use super::{TimeoutBody, limit::Limit};
use crate::BoxError;

pin_project! {
    /// The response, or the error that the time limit is exceeded.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        pub(super) inner: F,
        pub(super) limit: Option<Limit>,
        #[pin]
        pub(super) timer: Option<Sleep>,
    }
}

// === impl ResponseFuture ===

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<TimeoutBody<B>>, BoxError>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_with(cx, |body| body)
    }
}

impl<F> ResponseFuture<F> {
    /// Polls, and makes the response's body with `body`.
    #[inline(always)]
    pub(crate) fn poll_with<B, E, T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        body: impl FnOnce(TimeoutBody<B>) -> T,
    ) -> Poll<Result<Response<T>, BoxError>>
    where
        F: Future<Output = Result<Response<B>, E>>,
        E: Into<BoxError>,
    {
        let this = self.project();
        let scope = this.limit.as_ref().map(Limit::enter_poll);
        match this.inner.poll(cx) {
            Poll::Ready(Ok(response)) => {
                drop(scope);
                let mut limit = this.limit.take();
                if let Some(limit) = &mut limit {
                    limit.arrived();
                }
                Poll::Ready(Ok(response.map(|inner| body(TimeoutBody::new(inner, limit)))))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
            Poll::Pending => match (this.limit, scope) {
                (Some(limit), Some(scope)) => {
                    limit.poll_head(this.timer, scope.end(), cx).map(|error| Err(error.into()))
                }
                _ => Poll::Pending,
            },
        }
    }
}
