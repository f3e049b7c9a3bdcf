use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;
use tokio::time::Sleep;

use super::{Phase, TimeoutBody, limit::Limit};
use crate::{BoxError, policy::ambient::Activity};

pin_project! {
    /// The answer, or [`Elapsed`](super::Elapsed).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        limit: Option<Limit>,
        #[pin]
        timer: Option<Sleep>,
    }
}

// === impl ResponseFuture ===

impl<F> ResponseFuture<F> {
    pub(super) const fn new(inner: F, limit: Option<Limit>) -> Self {
        Self { inner, limit, timer: None }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<TimeoutBody<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let scope = this.limit.as_ref().map(Limit::enter);
        match this.inner.poll(cx) {
            Poll::Ready(Ok(response)) => {
                let limit = this.limit.take();
                return Poll::Ready(Ok(response.map(|body| TimeoutBody::new(body, limit))));
            }
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
            Poll::Pending => {}
        }
        let (Some(limit), Some(scope)) = (this.limit.as_ref(), scope) else { return Poll::Pending };
        let phase = match scope.end() {
            Activity::Waiting => Phase::Waiting,
            Activity::Sending => Phase::Headers,
        };
        let mut timer = this.timer;
        if timer.is_none() {
            timer.set(Some(limit.timer()));
        }
        let Some(timer) = timer.as_pin_mut() else { return Poll::Pending };
        let elapsed = ready!(limit.poll_elapsed(timer, cx, phase));
        Poll::Ready(Err(elapsed.into()))
    }
}
