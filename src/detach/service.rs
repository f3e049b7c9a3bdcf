use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    DetachBody, NotQueued, ResponseFuture, Summary,
    layer::Rules,
    send::{Reader, send},
    state::Job,
    ticket::Ticket,
};
use crate::{BoxError, extensions::Deadline, metrics::Meter};

/// The service that [`DetachLayer`](super::DetachLayer) makes. The [module](super) is the manual.
#[derive(Clone, Debug)]
pub struct Detach<S> {
    inner: S,
    rules: Arc<Rules>,
}

// === impl Detach ===

impl<S> Detach<S> {
    pub(super) const fn new(inner: S, rules: Arc<Rules>) -> Self {
        Self { inner, rules }
    }

    /// Has `request` sent by a clone, in the background.
    fn detach<B, RB>(&self, mut request: Request<B>, endpoint: Arc<str>) -> Result<(), NotQueued>
    where
        S: Service<Request<B>, Response = Response<RB>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Send + 'static,
        RB: Body + Send + 'static,
    {
        let rules = &self.rules;
        // It bounds the call, and that ends here. The ambient one ends with the task.
        request.extensions_mut().remove::<Deadline>();
        let summary = Summary::of(&request, Arc::clone(&endpoint));
        let reader =
            Reader { classifier: Arc::clone(&rules.classifier), clock: rules.clock.clone() };
        let meter = Meter::named(Some(Arc::clone(&endpoint)));
        let job = Job {
            ticket: Ticket::new(summary, rules.listeners.clone(), &meter),
            sending: send(self.inner.clone(), request, reader),
        };
        match rules.queue.take_on(job, rules.limits) {
            Ok(()) => {
                meter.taken_on();
                Ok(())
            }
            Err(obstacle) => {
                meter.not_taken_on(obstacle);
                Err(NotQueued::new(endpoint, obstacle))
            }
        }
    }
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for Detach<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    RequestBody: Send + 'static,
    ResponseBody: Body + Send + 'static,
{
    type Response = Response<DetachBody<ResponseBody>>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let endpoint = self.rules.endpoints.of(&request);
        let is_detached = endpoint.config().is_detached();
        let Some(pattern) = is_detached.then(|| endpoint.shared_pattern()).flatten() else {
            return ResponseFuture::sending(self.inner.call(request));
        };
        // The instance that was made ready goes, with whatever it holds: nothing is sent in this call.
        let unready = self.inner.clone();
        drop(mem::replace(&mut self.inner, unready));
        ResponseFuture::queued(self.detach(request, pattern))
    }
}
