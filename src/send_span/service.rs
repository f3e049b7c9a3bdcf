use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{ResponseFuture, layer::Rules, span};
use crate::BoxError;

/// The service that [`SendSpanLayer`](super::SendSpanLayer) makes.
#[derive(Clone, Debug)]
pub struct SendSpan<S> {
    inner: S,
    rules: Arc<Rules>,
}

// === impl SendSpan ===

impl<S> SendSpan<S> {
    pub(super) const fn new(inner: S, rules: Arc<Rules>) -> Self {
        Self { inner, rules }
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
        let Rules { endpoints, methods } = &*self.rules;
        let span = span::of(&request, &endpoints.of(&request), methods);
        let inner = span.in_scope(|| self.inner.call(request));
        ResponseFuture::new(inner, span)
    }
}
