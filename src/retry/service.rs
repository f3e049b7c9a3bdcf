use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{ResponseFuture, call::Call, future::State, layer::Rules, saved::Saved};
use crate::{BoxError, body::ReplayableBody, extensions::Deadline};

/// The service that [`RetryOnRateLimit`](super::RetryOnRateLimit) makes. The [module](super) is the manual.
#[derive(Clone, Debug)]
pub struct RetryOnRateLimitService<S> {
    inner: S,
    rules: Arc<Rules>,
}

// === impl RetryOnRateLimitService ===

impl<S> RetryOnRateLimitService<S> {
    pub(super) const fn new(inner: S, rules: Arc<Rules>) -> Self {
        Self { inner, rules }
    }
}

impl<S, B, RB> Service<Request<B>> for RetryOnRateLimitService<S>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone,
    S::Error: Into<BoxError>,
    B: ReplayableBody,
    RB: Body,
{
    type Response = Response<RB>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B, RB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    // A stack has one place for it. In line, the request is copied once less.
    #[inline(always)]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let call = Call::new(Arc::clone(&self.rules), Deadline::of(&request));
        let endpoint = self.rules.endpoints.of(&request);
        let saved = Saved::of(&request, endpoint.config());
        let service = self.inner.clone();
        let send = self.inner.call(request);
        ResponseFuture { call, saved, service, state: State::Sending { send } }
    }
}
