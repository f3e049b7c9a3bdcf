use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Method, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    CacheBody, ResponseFuture,
    again::Again,
    lookup::Lookup,
    request::CacheableRequest,
    shared::{CachedEndpoint, Shared},
    sharing::Sharing,
    waiting::{CallResult, Joined, WaitingCall},
    write::Write,
};
use crate::{
    BoxError,
    extensions::{Deadline, ambient::Scope},
    headers::overrides_method,
    ready::make_ready,
};

/// The service of [`ResponseCacheLayer`](super::ResponseCacheLayer).
#[derive(Clone, Debug)]
pub struct ResponseCache<S> {
    inner: S,
    /// None if no response is stored.
    shared: Option<Arc<Shared>>,
}

/// Marks a request whose fetch was cut short. Its next fetch is the last.
#[derive(Clone, Copy, Debug)]
struct LastFetch;

// === impl ResponseCache ===

impl<S> ResponseCache<S> {
    pub(super) const fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared: Some(shared) }
    }

    /// Stores no response, and serves none.
    pub(crate) const fn off(inner: S) -> Self {
        Self { inner, shared: None }
    }

    inner_accessors!();
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for ResponseCache<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    RequestBody: Body + Send + 'static,
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
        self.call_sharing(request, &Sharing::new())
    }
}

impl<S> ResponseCache<S> {
    /// Sends the request, or shares the fetch of another.
    #[inline]
    pub(crate) fn call_sharing<RequestBody, ResponseBody>(
        &mut self,
        request: Request<RequestBody>,
        sharing: &Sharing<S, RequestBody, ResponseBody>,
    ) -> ResponseFuture<S::Future, ResponseBody>
    where
        S: Service<Request<RequestBody>, Response = Response<ResponseBody>> + Clone,
    {
        match &self.shared {
            None => ResponseFuture::passing(self.inner.call(request), None),
            Some(shared) => self.call_by(&Arc::clone(shared), request, sharing),
        }
    }

    fn call_by<RequestBody, ResponseBody>(
        &mut self,
        shared: &Arc<Shared>,
        request: Request<RequestBody>,
        sharing: &Sharing<S, RequestBody, ResponseBody>,
    ) -> ResponseFuture<S::Future, ResponseBody>
    where
        S: Service<Request<RequestBody>, Response = Response<ResponseBody>> + Clone,
    {
        if request.method() != Method::GET || overrides_method(request.headers()) {
            let write = Write::new(shared, &request);
            return ResponseFuture::passing(self.inner.call(request), write);
        }
        let has_body = (sharing.has_body)(request.body());
        let (cacheable, mut request) = match has_body {
            true => (None, request),
            false => CacheableRequest::new(shared, request),
        };
        let Some(cacheable) = cacheable else {
            return ResponseFuture::passing(self.inner.call(request), None);
        };
        match Lookup::new(shared, cacheable, &request) {
            Lookup::PassThrough => ResponseFuture::passing(self.inner.call(request), None),
            Lookup::Respond(response) => {
                drop(self.take_ready());
                ResponseFuture::ready(response)
            }
            Lookup::Join(call) => {
                drop(self.take_ready());
                ResponseFuture::waiting((sharing.join)(self.clone(), call, request))
            }
            Lookup::Lead(running, call) => {
                // The fetch's deadline replaces this call's, which is not that of the other waiters. It is for what the layers inside
                // wait for, and not in the request, where it would limit a body that is passed on.
                let deadline = running.fetch().deadline();
                request.extensions_mut().remove::<Deadline>();
                let again = (sharing.copy)(&request)
                    .map(|request| Again { service: self.inner.clone(), request });
                running.fetch().add_validators(request.headers_mut());
                let scope = Scope::around_call(deadline, shared.clock.now());
                let response = self.inner.call(request);
                drop(scope);
                ResponseFuture::waiting((sharing.lead)(response, again, running, call))
            }
        }
    }

    /// Waits for another call's fetch, and sends the request if the outcome is not for it.
    pub(super) async fn join<RequestBody, ResponseBody>(
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
        RequestBody: Body + Send + 'static,
        ResponseBody: Body + Send + 'static,
        ResponseBody::Error: Into<BoxError>,
    {
        let (endpoint, deadline) = (Arc::clone(&call.request.endpoint), call.deadline);
        let may_fetch_again = request.extensions().get::<LastFetch>().is_none();
        match call.join(request.headers(), may_fetch_again).await {
            Joined::Done(result) => result,
            Joined::FetchAgain => {
                request.extensions_mut().insert(LastFetch);
                self.make_ready(deadline, &endpoint).await?;
                self.call(request).await
            }
            Joined::PassThrough => {
                self.make_ready(deadline, &endpoint).await?;
                let response = self.inner.call(request).await.map_err(Into::into)?;
                Ok(response.map(CacheBody::passed))
            }
        }
    }

    /// Makes the inner service ready before the deadline.
    async fn make_ready<B>(
        &mut self,
        deadline: Option<Deadline>,
        endpoint: &CachedEndpoint,
    ) -> Result<(), BoxError>
    where
        S: Service<Request<B>>,
        S::Error: Into<BoxError>,
    {
        let readied = make_ready(&mut self.inner, deadline).await;
        readied.unwrap_or_else(|not_ready| Err(endpoint.not_ready(not_ready).into()))
    }

    /// Takes the ready instance, with its reservations, and leaves a clone that is not ready.
    fn take_ready(&mut self) -> S
    where
        S: Clone,
    {
        let unready = self.inner.clone();
        mem::replace(&mut self.inner, unready)
    }
}
