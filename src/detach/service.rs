use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    DetachBody, DetachedRequest, ResponseFuture,
    layer::Settings,
    pending::PendingRequest,
    send::{Reader, send},
    state::Job,
};
use crate::{BoxError, error::Error, extensions::Deadline, metrics::Meter};

/// The service of [`DetachLayer`](super::DetachLayer).
#[derive(Clone, Debug)]
pub struct Detach<S> {
    inner: S,
    settings: Arc<Settings>,
}

// === impl Detach ===

impl<S> Detach<S> {
    pub(super) const fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }

    inner_accessors!();

    /// Queues `request` for a clone of the inner service.
    fn enqueue<B, RB>(&self, mut request: Request<B>, endpoint: Arc<str>) -> Result<(), Error>
    where
        S: Service<Request<B>, Response = Response<RB>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Send + 'static,
        RB: Body + Send + 'static,
    {
        let settings = &self.settings;
        // The deadline is the call's, which ends here. The ambient one does not reach the worker's task.
        request.extensions_mut().remove::<Deadline>();
        let stack = settings.endpoints.stack();
        let detached = DetachedRequest::of(&request, Arc::clone(&endpoint), stack.cloned());
        let reader =
            Reader { classifier: Arc::clone(&settings.classifier), clock: settings.clock.clone() };
        let meter = Meter::named(Some(Arc::clone(&endpoint)), stack.cloned());
        let job = Job {
            request: PendingRequest::new(detached, settings.callbacks.clone(), &meter),
            sending: send(self.inner.clone(), request, Arc::clone(&endpoint), reader),
        };
        match settings.queue.enqueue(job, settings.limits, stack) {
            Ok(()) => {
                meter.detached();
                Ok(())
            }
            Err(reason) => {
                meter.not_queued(reason);
                Err(Error::not_queued(reason, endpoint))
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
        let Some(pattern) = self.settings.endpoint_of(&request) else {
            return ResponseFuture::in_flight(self.inner.call(request));
        };
        // Drops the ready instance with its permits: this call sends nothing.
        let unready = self.inner.clone();
        drop(mem::replace(&mut self.inner, unready));
        ResponseFuture::queued(self.enqueue(request, pattern))
    }
}
