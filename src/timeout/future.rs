use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Response;
use pin_project_lite::pin_project;
use tokio::time::Sleep;

use super::{TimeoutBody, limit::Limit};
use crate::{BoxError, Error};

pin_project! {
    /// The response, or the error that the time limit is exceeded.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        // None if the service was not ready in time.
        #[pin]
        inner: Option<F>,
        limit: Option<Limit>,
        #[pin]
        timer: Option<Sleep>,
        too_late: Option<Error>,
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
    #[inline(always)]
    pub(super) const fn new(inner: F, limit: Option<Limit>) -> Self {
        Self { inner: Some(inner), limit, timer: None, too_late: None }
    }

    /// Nothing was sent, because the service was not ready within `limit`.
    #[cold]
    pub(super) fn too_late(limit: Duration, endpoint: Option<Arc<str>>) -> Self {
        let too_late = Some(Error::not_ready(limit, endpoint));
        Self { inner: None, limit: None, timer: None, too_late }
    }

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
        let Some(inner) = this.inner.as_pin_mut() else {
            return match this.too_late.take() {
                Some(error) => Poll::Ready(Err(error.into())),
                None => Poll::Pending,
            };
        };
        let scope = this.limit.as_ref().map(Limit::enter_poll);
        match inner.poll(cx) {
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
