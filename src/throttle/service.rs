use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{ResponseFuture, admission::Admission, future::State, layer::Shared, queued::Queued};
use crate::BoxError;

/// The service that [`ThrottleLayer`](super::ThrottleLayer) makes. The [module](super) is the manual.
#[derive(Clone, Debug)]
pub struct Throttle<S> {
    inner: S,
    shared: Arc<Shared>,
}

// === impl Throttle ===

impl<S> Throttle<S> {
    pub(super) const fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }

    inner_accessors!();
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

    // Inlined into the stack, the call copies the request once less.
    #[inline(always)]
    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        let endpoint = self.shared.endpoints.of(&request);
        let mut admission = None;
        if !endpoint.config().is_exempt() {
            match &self.shared.key {
                None => admission = Admission::of_origin(&self.shared, &endpoint, &request),
                Some(key) => {
                    (request, admission) = Admission::of_key(key, &self.shared, &endpoint, request);
                }
            }
        }
        if let Some(admission) = admission.take_if(|admission| !admission.has_permit()) {
            // The ready instance is dropped with whatever it holds: nothing is sent for now.
            let unready = self.inner.clone();
            drop(mem::replace(&mut self.inner, unready));
            let queued = Queued::new(self.inner.clone(), request, admission, &endpoint);
            return ResponseFuture { admission: None, state: State::Queued { queued } };
        }
        if let Some(admission) = &mut admission {
            admission.send();
        }
        ResponseFuture { admission, state: State::InFlight { future: self.inner.call(request) } }
    }
}
