use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{Config, ResponseFuture, span};
use crate::{BoxError, policy::Endpoints};

/// The service that [`SendSpanLayer`](super::SendSpanLayer) makes.
#[derive(Clone, Debug)]
pub struct SendSpan<S> {
    inner: S,
    endpoints: Arc<Endpoints<Config>>,
}

// === impl SendSpan ===

impl<S> SendSpan<S> {
    pub(super) const fn new(inner: S, endpoints: Arc<Endpoints<Config>>) -> Self {
        Self { inner, endpoints }
    }
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for SendSpan<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    #[inline]
    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let span = span::of(&request, &self.endpoints.of(&request));
        let inner = span.in_scope(|| self.inner.call(request));
        ResponseFuture::new(inner, span)
    }
}
