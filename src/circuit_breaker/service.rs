use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{ResponseFuture, call::Call, layer::Shared};
use crate::BoxError;

/// The service of [`CircuitBreakerLayer`](super::CircuitBreakerLayer).
#[derive(Clone, Debug)]
pub struct CircuitBreaker<S> {
    inner: S,
    /// None if every request passes.
    shared: Option<Arc<Shared>>,
}

// === impl CircuitBreaker ===

impl<S> CircuitBreaker<S> {
    pub(super) const fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared: Some(shared) }
    }

    /// Passes every request.
    pub(crate) const fn off(inner: S) -> Self {
        Self { inner, shared: None }
    }

    inner_accessors!();
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for CircuitBreaker<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    // A stack has one place for it. In line, the request is copied once less.
    #[inline(always)]
    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let call = match &self.shared {
            Some(shared) => Call::admit(shared, &request),
            None => Ok(None),
        };
        match call {
            Ok(call) => ResponseFuture::in_flight(self.inner.call(request), call),
            Err(error) => {
                // Drops the ready instance with its permits: this call sends nothing.
                let unready = self.inner.clone();
                drop(mem::replace(&mut self.inner, unready));
                ResponseFuture::rejected(error)
            }
        }
    }
}
