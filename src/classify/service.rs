use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{ResponseFuture, call::Call, future::State, shared::Shared};
use crate::BoxError;

/// The service that [`ErrorClassifyLayer`](super::ErrorClassifyLayer) makes.
#[derive(Clone, Debug)]
pub struct ErrorClassify<S> {
    inner: S,
    shared: Arc<Shared>,
}

// === impl ErrorClassify ===

impl<S> ErrorClassify<S> {
    pub(super) const fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for ErrorClassify<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>>,
    S::Error: Into<BoxError>,
    ResponseBody: Body,
{
    type Response = Response<ResponseBody>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, ResponseBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    // A stack has one place for it. In line, the request is copied once less.
    #[inline(always)]
    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let call = Call::of(&self.shared, &request);
        ResponseFuture { call, state: State::Sent { inner: self.inner.call(request) } }
    }
}
