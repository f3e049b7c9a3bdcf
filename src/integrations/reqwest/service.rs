use std::task::{Context, Poll};

use ::reqwest::{Body, Request, Response};
use bytes::Bytes;
use tower_service::Service;

use super::ResponseFuture;
use crate::BoxError;

/// Adapts a service of reqwest's requests, such as its [`Client`](::reqwest::Client), to [`http::Request`]s.
///
/// See the [module page](super).
#[derive(Clone, Copy, Debug)]
pub struct ReqwestService<S = ::reqwest::Client> {
    inner: S,
}

// === impl ReqwestService ===

impl<S> ReqwestService<S> {
    /// Adapts `inner`: a reqwest client, or tower's layers around one.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }

    inner_accessors!();
}

impl<S, B> Service<http::Request<B>> for ReqwestService<S>
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
