use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{ResponseFuture, held::Held, layer::Rules, visit::Visit};
use crate::BoxError;

/// The service that [`ThrottleLayer`](super::ThrottleLayer) makes. The [module](super) is the manual.
#[derive(Clone, Debug)]
pub struct Throttle<S> {
    inner: S,
    rules: Arc<Rules>,
}

// === impl Throttle ===

impl<S> Throttle<S> {
    pub(super) const fn new(inner: S, rules: Arc<Rules>) -> Self {
        Self { inner, rules }
    }
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for Throttle<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = BoxError;
    type Future = ResponseFuture<S, RequestBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let endpoint = self.rules.endpoints.of(&request);
        if endpoint.config().is_exempt() {
            return ResponseFuture::sending(self.inner.call(request), None);
        }
        let (request, visit) = Visit::begin(&self.rules, &endpoint, request);
        match visit {
            Some(visit) if !visit.has_turn() => {
                // The instance that was made ready goes, with whatever it holds: nothing is sent for now.
                let unready = self.inner.clone();
                drop(mem::replace(&mut self.inner, unready));
                let held = Held::new(self.inner.clone(), request, visit, &endpoint);
                ResponseFuture::held(held)
            }
            Some(mut visit) => {
                visit.send();
                ResponseFuture::sending(self.inner.call(request), Some(visit))
            }
            None => ResponseFuture::sending(self.inner.call(request), None),
        }
    }
}
