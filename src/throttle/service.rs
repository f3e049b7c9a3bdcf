use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{ResponseFuture, admission::Visit, future::State, layer::Rules, queued::Held};
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

    // A stack has one place for it. In line, the request is copied once less.
    #[inline(always)]
    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        let endpoint = self.rules.endpoints.of(&request);
        let mut visit = None;
        if !endpoint.config().is_exempt() {
            match &self.rules.key {
                None => visit = Visit::begin(&self.rules, &endpoint, &request),
                Some(key) => {
                    (request, visit) = Visit::begin_at(key, &self.rules, &endpoint, request);
                }
            }
        }
        if let Some(visit) = visit.take_if(|visit| !visit.has_turn()) {
            // The instance that was made ready goes, with whatever it holds: nothing is sent for now.
            let unready = self.inner.clone();
            drop(mem::replace(&mut self.inner, unready));
            let held = Held::new(self.inner.clone(), request, visit, &endpoint);
            return ResponseFuture { visit: None, state: State::Holding { held } };
        }
        if let Some(visit) = &mut visit {
            visit.send();
        }
        ResponseFuture { visit, state: State::Sending { future: self.inner.call(request) } }
    }
}
