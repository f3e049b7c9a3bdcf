use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{Config, ResponseFuture, TimeoutBody, limit::Limit};
use crate::{BoxError, clock::Clock, endpoint::Endpoints, extensions::ambient};

/// The service that [`TimeoutLayer`](super::TimeoutLayer) makes.
#[derive(Clone, Debug)]
pub struct Timeout<S> {
    inner: S,
    endpoints: Arc<Endpoints<Config>>,
    clock: Clock,
}

// === impl Timeout ===

impl<S> Timeout<S> {
    pub(super) const fn new(inner: S, endpoints: Arc<Endpoints<Config>>, clock: Clock) -> Self {
        Self { inner, endpoints, clock }
    }
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

    // A stack has one place for it. In line, the request is copied once less.
    #[inline(always)]
    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let endpoint = self.endpoints.of(&request);
        let now = ambient::call_began().unwrap_or_else(|| self.clock.now());
        let limit = Limit::of(&request, &endpoint, now);
        // Until the end of this function.
        let _in_force = limit.as_ref().map(|limit| limit.begin(now));
        ResponseFuture { inner: self.inner.call(request), limit, timer: None }
    }
}
