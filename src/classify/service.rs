use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{ResponseFuture, call::Call, future::State, layer::Settings};
use crate::BoxError;

/// The service of [`ErrorClassifyLayer`](super::ErrorClassifyLayer).
#[derive(Clone, Debug)]
pub struct ErrorClassify<S> {
    inner: S,
    settings: Arc<Settings>,
}

// === impl ErrorClassify ===

impl<S> ErrorClassify<S> {
    pub(super) const fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }

    inner_accessors!();
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

    // Inlined, the request is copied once less.
    #[inline(always)]
    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let call = Call::of(&self.settings, &request);
        ResponseFuture { call, state: State::InFlight { inner: self.inner.call(request) } }
    }
}
