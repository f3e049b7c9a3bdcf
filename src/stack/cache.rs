//! The response cache of a stack.

use std::{
    fmt,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::client::HttpClient;
use crate::{
    BoxError,
    body::ReplayableBody,
    response_cache::{CacheBody, ResponseCache, ResponseFuture, Sharing},
};

/// A [`ResponseCache`] that gets how a shared fetch is sent as a value, not by a bound: see [`Client`](super::client::Client).
pub(super) struct Cache<S, B>
where
    S: HttpClient<B>,
{
    inner: ResponseCache<S>,
    sharing: Sharing<S, B, S::ResponseBody>,
}

// === impl Cache ===

impl<S, B> Cache<S, B>
where
    S: HttpClient<B>,
{
    pub(super) fn new(inner: ResponseCache<S>) -> Self
    where
        S: Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: Body + ReplayableBody + Send + 'static,
        S::ResponseBody: Send + 'static,
        <S::ResponseBody as Body>::Error: Into<BoxError>,
    {
        Self { inner, sharing: Sharing::of_replayable() }
    }

    pub(super) const fn get_ref(&self) -> &ResponseCache<S> {
        &self.inner
    }

    pub(super) const fn get_mut(&mut self) -> &mut ResponseCache<S> {
        &mut self.inner
    }

    pub(super) fn into_inner(self) -> ResponseCache<S> {
        self.inner
    }
}

impl<S, B> Service<Request<B>> for Cache<S, B>
where
    S: HttpClient<B, Error = BoxError>,
{
    type Response = Response<CacheBody<S::ResponseBody>>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, S::ResponseBody>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.get_mut().poll_ready(cx)
    }

    #[inline(always)]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.inner.call_sharing(request, &self.sharing)
    }
}

impl<S, B> Clone for Cache<S, B>
where
    S: HttpClient<B>,
{
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), sharing: self.sharing }
    }
}

impl<S, B> fmt::Debug for Cache<S, B>
where
    S: HttpClient<B> + fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
