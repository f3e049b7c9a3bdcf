use std::{
    fmt,
    marker::PhantomData,
    task::{Context, Poll},
};

use ::reqwest::{Body, Client, Request, Response};
use bytes::Bytes;
use http_body_util::Full;
use tower_service::Service;

use super::ResponseFuture;
use crate::BoxError;

/// Adapts a service of reqwest's requests, such as its [`Client`], to [`http::Request`]s.
///
/// See the [module page](super). `B` is the body of the requests: one for each service, so that the compiler knows it wherever the
/// service is used.
pub struct ReqwestService<S = Client, B = Full<Bytes>> {
    inner: S,
    body: PhantomData<fn(B)>,
}

// === impl ReqwestService ===

impl<S> ReqwestService<S> {
    /// Adapts `inner`, a reqwest client or tower's layers around one, to requests with a body of [`Full<Bytes>`](Full).
    pub const fn new(inner: S) -> Self {
        Self::with_body(inner)
    }
}

impl<S, B> ReqwestService<S, B> {
    /// As [`new`](ReqwestService::new), for requests with another body: one that is streamed, or that can be sent again after it was.
    pub const fn with_body(inner: S) -> Self {
        Self { inner, body: PhantomData }
    }

    inner_accessors!();
}

impl<S, B> Service<http::Request<B>> for ReqwestService<S, B>
where
    S: Service<Request, Response = Response>,
    S::Error: Into<BoxError>,
    B: http_body::Body + Send + Sync + 'static,
    B::Data: Into<Bytes>,
    B::Error: Into<BoxError>,
{
    type Response = http::Response<Body>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        // reqwest can send its own empty body again when it follows a redirect.
        let request = request.map(|body| match body.is_end_stream() {
            true => Body::default(),
            false => Body::wrap(body),
        });
        match Request::try_from(request) {
            Ok(request) => ResponseFuture::in_flight(self.inner.call(request)),
            Err(error) => ResponseFuture::invalid(error),
        }
    }
}

impl<S: Clone, B> Clone for ReqwestService<S, B> {
    fn clone(&self) -> Self {
        Self::with_body(self.inner.clone())
    }
}

impl<S: fmt::Debug, B> fmt::Debug for ReqwestService<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestService").field("inner", &self.inner).finish()
    }
}
