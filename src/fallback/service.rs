use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{FallbackBody, ResponseFuture, call::Call, layer::Rules};
use crate::BoxError;

/// The service that [`FallbackLayer`](super::FallbackLayer) makes.
#[derive(Clone, Debug)]
pub struct Fallback<S> {
    inner: S,
    rules: Arc<Rules>,
}

// === impl Fallback ===

impl<S> Fallback<S> {
    pub(super) const fn new(inner: S, rules: Arc<Rules>) -> Self {
        Self { inner, rules }
    }
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for Fallback<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>>,
    S::Error: Into<BoxError>,
    ResponseBody: Body<Data = Bytes>,
{
    type Response = Response<FallbackBody<ResponseBody>>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, ResponseBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let call = Call::of(&request, &self.rules);
        ResponseFuture::new(self.inner.call(request), call)
    }
}
