use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{FallbackBody, ResponseFuture, call::Call, layer::Settings};
use crate::BoxError;

/// The service of [`FallbackLayer`](super::FallbackLayer).
#[derive(Clone, Debug)]
pub struct Fallback<S> {
    inner: S,
    /// None if every failure is passed on.
    settings: Option<Arc<Settings>>,
}

// === impl Fallback ===

impl<S> Fallback<S> {
    pub(super) const fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings: Some(settings) }
    }

    /// Passes every response and error on as it comes.
    pub(crate) const fn off(inner: S) -> Self {
        Self { inner, settings: None }
    }

    inner_accessors!();
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

    // A stack has one place for it. In line, the request is copied once less.
    #[inline(always)]
    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let call = self.settings.as_ref().and_then(|settings| Call::of(&request, settings));
        ResponseFuture::new(self.inner.call(request), call)
    }
}
