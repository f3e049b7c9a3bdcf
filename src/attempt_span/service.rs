use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{ResponseFuture, layer::Settings};
use crate::BoxError;

/// The service of [`AttemptSpanLayer`](super::AttemptSpanLayer).
#[derive(Clone, Debug)]
pub struct AttemptSpan<S> {
    inner: S,
    /// None if attempts are not looked at.
    settings: Option<Arc<Settings>>,
}

// === impl AttemptSpan ===

impl<S> AttemptSpan<S> {
    pub(super) const fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings: Some(settings) }
    }

    /// Makes no spans.
    pub(crate) const fn off(inner: S) -> Self {
        Self { inner, settings: None }
    }

    inner_accessors!();
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for AttemptSpan<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, RequestBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    // A stack has one place for it. In line, the request is copied once less.
    #[inline(always)]
    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let Some(settings) = &self.settings else {
            return ResponseFuture::in_flight(self.inner.call(request), None);
        };
        if settings.traces() {
            let settings = Arc::clone(settings);
            let unready = self.inner.clone();
            let ready = mem::replace(&mut self.inner, unready);
            return ResponseFuture::unsent(ready, request, settings);
        }
        let attempt = settings.begin(&request, false);
        ResponseFuture::in_flight(self.inner.call(request), Some(attempt))
    }
}
