use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;
use tracing::Span;

use super::{ResponseFuture, layer::Settings, span};
use crate::BoxError;

/// The service of [`AttemptSpanLayer`](super::AttemptSpanLayer).
#[derive(Clone, Debug)]
pub struct AttemptSpan<S> {
    inner: S,
    /// None if no spans are made.
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
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    // A stack has one place for it. In line, the request is copied once less.
    #[inline(always)]
    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let span = self.settings.as_ref().map(|settings| {
            let Settings { endpoints, methods } = &**settings;
            span::begin(&request, &endpoints.of(&request), methods)
        });
        let entered = span.as_ref().map(Span::enter);
        let inner = self.inner.call(request);
        drop(entered);
        ResponseFuture::new(inner, span)
    }
}
