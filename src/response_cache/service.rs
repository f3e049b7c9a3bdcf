use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Method, Request, Response};
use http_body::Body;
use tokio::sync::oneshot;
use tower::util::ServiceExt;
use tower_service::Service;

use super::{
    CacheBody, ResponseFuture,
    fetch::{self, Fetch},
    lookup::Lookup,
    request::CacheableRequest,
    shared::Shared,
    waiting::{CallResult, Joined, WaitingCall},
    write::Write,
};
use crate::{BoxError, extensions::ambient::Scope, single_flight::Running};

/// The service of [`ResponseCacheLayer`](super::ResponseCacheLayer).
#[derive(Clone, Debug)]
pub struct ResponseCache<S> {
    inner: S,
    shared: Arc<Shared>,
}

/// Marks a request whose fetch was cut short. Its next fetch is the last.
#[derive(Clone, Copy, Debug)]
struct LastFetch;

// === impl ResponseCache ===

impl<S> ResponseCache<S> {
    pub(super) const fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }

    /// The inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, to change it.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
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
            let write = Write::new(&self.shared, &request);
            return ResponseFuture::passing(self.inner.call(request), write);
        }
        let (cacheable, request) = CacheableRequest::new(&self.shared, request);
        let Some(cacheable) = cacheable else {
            return ResponseFuture::passing(self.inner.call(request), None);
        };
        match Lookup::new(&self.shared, cacheable, &request) {
            Lookup::PassThrough => ResponseFuture::passing(self.inner.call(request), None),
            Lookup::Respond(response) => {
                drop(self.take_ready());
                ResponseFuture::ready(response)
            }
            Lookup::Join(call) => {
                drop(self.take_ready());
                ResponseFuture::waiting(Box::pin(self.clone().join(call, request)))
            }
            Lookup::Lead(running, call) => self.lead(running, call, request),
        }
    }
}

impl<S> ResponseCache<S> {
    /// Sends the request, and awaits the response on a task of its own.
    fn lead<RequestBody, ResponseBody>(
        &mut self,
        running: Running<Fetch>,
        call: WaitingCall,
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
        let (leader, not_shared) = oneshot::channel();
        // The fetch's deadline replaces this call's, which is not that of the other waiters.
        let deadline = running.fetch().deadline();
        request.extensions_mut().insert(deadline);
        let scope = Scope::around_call(deadline, self.shared.clock.now());
        let response = self.inner.call(request);
        drop(scope);
        fetch::spawn(running, response, leader);
        ResponseFuture::waiting(Box::pin(call.lead(not_shared)))
    }

    /// Waits for another call's fetch, and sends the request if the outcome is not for it.
    async fn join<RequestBody, ResponseBody>(
        mut self,
        call: WaitingCall,
        mut request: Request<RequestBody>,
    ) -> CallResult<ResponseBody>
    where
        S: Service<Request<RequestBody>, Response = Response<ResponseBody>>
            + Clone
            + Send
            + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        RequestBody: Send + 'static,
        ResponseBody: Body + Send + 'static,
        ResponseBody::Error: Into<BoxError>,
    {
        let may_fetch_again = request.extensions().get::<LastFetch>().is_none();
        match call.join(request.headers(), may_fetch_again).await {
            Joined::Done(result) => result,
            Joined::FetchAgain => {
                request.extensions_mut().insert(LastFetch);
                self.ready().await?.call(request).await
            }
            Joined::PassThrough => {
                let service = self.inner.ready().await.map_err(Into::into)?;
                let response = service.call(request).await.map_err(Into::into)?;
                Ok(response.map(CacheBody::passed))
            }
        }
    }

    /// Takes the instance that was made ready, with whatever it holds, and leaves one that is not.
    fn take_ready(&mut self) -> S
    where
        S: Clone,
    {
        let unready = self.inner.clone();
        mem::replace(&mut self.inner, unready)
    }
}
