use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use pin_project_lite::pin_project;

use super::{Body, client::HttpClient, nest::NestFuture};
use crate::{BoxError, body::ReplayableBody};

pin_project! {
    /// The future of a call through [`StackService`](super::StackService).
    pub struct ResponseFuture<S, B>
    where
        S: HttpClient<B>,
        B: ReplayableBody,
    {
        #[pin]
        pub(super) inner: NestFuture<S, B>,
    }
}

// === impl ResponseFuture ===

impl<S, B> Future for ResponseFuture<S, B>
where
    S: HttpClient<B>,
    B: ReplayableBody,
{
    type Output = Result<Response<Body<S::ResponseBody>>, BoxError>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx)
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: HttpClient<B>,
    B: ReplayableBody,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
