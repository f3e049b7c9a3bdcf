use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{ResponseFuture, TimeoutBody, TimeoutConfig, limit::Limit};
use crate::{BoxError, clock::Clock, endpoint::Endpoints, extensions::ambient};

/// The service of [`TimeoutLayer`](super::TimeoutLayer).
#[derive(Clone, Debug)]
pub struct Timeout<S> {
    inner: S,
    endpoints: Arc<Endpoints<TimeoutConfig>>,
}

// === impl Timeout ===

impl<S> Timeout<S> {
    pub(super) const fn new(inner: S, endpoints: Arc<Endpoints<TimeoutConfig>>) -> Self {
        Self { inner, endpoints }
    }

    inner_accessors!();
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for Timeout<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<TimeoutBody<ResponseBody>>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    // A stack calls this in one place. Inlining saves a copy of the request.
    #[inline(always)]
    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let endpoint = self.endpoints.of(&request);
        let now = ambient::call_began().unwrap_or_else(|| Clock::default().now());
        let limit = Limit::of(&request, &endpoint, now);
        // Holds until the end of this function.
        let _scope = limit.as_ref().map(|limit| limit.enter_call(now));
        ResponseFuture { inner: self.inner.call(request), limit, timer: None }
    }
}
