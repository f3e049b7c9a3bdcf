use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{ResponseFuture, call::Call, future::State, layer::Settings, saved::Saved};
use crate::{BoxError, body::ReplayableBody, extensions::Deadline};

/// The service of [`RetryOnRateLimit`](super::RetryOnRateLimit).
#[derive(Clone, Debug)]
pub struct RetryOnRateLimitService<S> {
    inner: S,
    settings: Arc<Settings>,
}

// === impl RetryOnRateLimitService ===

impl<S> RetryOnRateLimitService<S> {
    pub(super) const fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }

    inner_accessors!();
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

    // Inlined, the request is copied once less.
    #[inline(always)]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let settings = &self.settings;
        let endpoint = settings.endpoints.index_of(&request);
        let call = Call::new(Arc::clone(settings), endpoint, Deadline::of(&request));
        let saved = Saved::of(&request);
        let service = self.inner.clone();
        let inner = self.inner.call(request);
        ResponseFuture { call, saved, service, state: State::InFlight { inner } }
    }
}
