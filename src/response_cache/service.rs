use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Method, Request, Response};
use http_body::Body;
use tokio::sync::oneshot;
use tower_service::Service;
use tracing::Instrument;

use super::{
    CacheBody, ResponseFuture, request::Asked, lookup::Boarding, waiter::Caller, fetch::Flight,
    shared::Rules, write::Write,
};
use crate::{BoxError, extensions::ambient::Scope};

/// The service that [`ResponseCacheLayer`](super::ResponseCacheLayer) makes. The [module](super) is the manual.
#[derive(Clone, Debug)]
pub struct ResponseCache<S> {
    inner: S,
    rules: Arc<Rules>,
}

// === impl ResponseCache ===

impl<S> ResponseCache<S> {
    pub(super) const fn new(inner: S, rules: Arc<Rules>) -> Self {
        Self { inner, rules }
    }
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for ResponseCache<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    RequestBody: Send + 'static,
    ResponseBody: Body + Send + 'static,
    ResponseBody::Error: Into<BoxError>,
{
    type Response = Response<CacheBody<ResponseBody>>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, ResponseBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        if request.method() != Method::GET {
            let write = Write::of(&self.rules, &request);
            return ResponseFuture::passing(self.inner.call(request), write);
        }
        let (asked, request) = Asked::of(&self.rules, request);
        let Some(asked) = asked else {
            return ResponseFuture::passing(self.inner.call(request), None);
        };
        match Boarding::of(&self.rules, asked, &request) {
            Boarding::Passes => ResponseFuture::passing(self.inner.call(request), None),
            Boarding::Answered(response) => {
                self.let_go();
                ResponseFuture::ready(response)
            }
            Boarding::Follows(caller) => {
                self.let_go();
                ResponseFuture::waiting(Box::pin(caller.follow(self.inner.clone(), request)))
            }
            Boarding::Leads(flight, caller) => self.lead(flight, caller, request),
        }
    }
}

impl<S> ResponseCache<S> {
    /// Sends the request, on a task of its own.
    fn lead<RequestBody, ResponseBody>(
        &mut self,
        flight: Flight,
        caller: Caller,
        mut request: Request<RequestBody>,
    ) -> ResponseFuture<S::Future, ResponseBody>
    where
        S: Service<Request<RequestBody>, Response = Response<ResponseBody>> + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        RequestBody: 'static,
        ResponseBody: Body + Send + 'static,
        ResponseBody::Error: Into<BoxError>,
    {
        let (leader, passed) = oneshot::channel::<Response<CacheBody<ResponseBody>>>();
        // The deadline of this caller is not that of the others.
        let limit = flight.deadline();
        request.extensions_mut().insert(limit);
        let scope = Scope::around_call(limit, self.rules.clock.now());
        let response = self.inner.call(request);
        drop(scope);
        drop(tokio::spawn(flight.run(response, leader).in_current_span()));
        ResponseFuture::waiting(Box::pin(caller.lead(passed)))
    }

    /// Lets the instance go that was made ready, with whatever it holds: nothing is sent for now.
    fn let_go(&mut self)
    where
        S: Clone,
    {
        let unready = self.inner.clone();
        drop(mem::replace(&mut self.inner, unready));
    }
}
