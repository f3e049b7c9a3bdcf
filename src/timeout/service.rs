use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{ResponseFuture, TimeoutBody, TimeoutConfig, grpc, limit::Limit, readiness::Readiness};
use crate::{BoxError, clock::Clock, endpoint::Endpoints, extensions::ambient};

/// The service of [`TimeoutLayer`](super::TimeoutLayer).
#[derive(Clone, Debug)]
pub struct Timeout<S> {
    inner: S,
    endpoints: Arc<Endpoints<TimeoutConfig>>,
    readiness: Readiness,
}

// === impl Timeout ===

impl<S> Timeout<S> {
    pub(super) const fn new(inner: S, endpoints: Arc<Endpoints<TimeoutConfig>>) -> Self {
        Self { inner, endpoints, readiness: Readiness::new() }
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
        let (polled, is_bounded) = ambient::bound_readiness(|| self.inner.poll_ready(cx));
        if let Poll::Ready(polled) = polled {
            self.readiness.ready();
            return Poll::Ready(polled.map_err(Into::into));
        }
        if is_bounded {
            return Poll::Pending;
        }
        let limit = self.endpoints.base().get();
        self.readiness.poll_too_late(limit, cx).map(Ok)
    }

    // A stack calls this in one place. Inlining saves a copy of the request.
    #[inline(always)]
    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        let endpoint = self.endpoints.of(&request);
        let now = ambient::call_began().unwrap_or_else(|| Clock::default().now());
        let waited = match self.readiness.take() {
            Ok(waited) => waited,
            Err(limit) => return ResponseFuture::too_late(limit, endpoint.shared_pattern()),
        };
        let limit = Limit::of(&request, &endpoint, now, waited);
        if endpoint.config().sends_grpc_timeout() {
            let left = limit.as_ref().and_then(|limit| limit.remaining(now));
            left.into_iter().for_each(|left| grpc::announce(request.headers_mut(), left));
        }
        // Holds until the end of this function.
        let _scope = limit.as_ref().map(|limit| limit.enter_call(now));
        ResponseFuture::new(self.inner.call(request), limit)
    }
}
