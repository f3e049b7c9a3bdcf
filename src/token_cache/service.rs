use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response, header::AUTHORIZATION};
use tower_service::Service;

use super::{
    ResponseFuture,
    cache::{Cache, Lookup},
    cached::Attached,
    passage::{Passage, Watch},
};
use crate::{BoxError, body::ReplayableBody, policy::Deadline};

/// The service that [`TokenCacheLayer`](super::TokenCacheLayer) makes.
#[derive(Clone, Debug)]
pub struct TokenCache<S> {
    inner: S,
    cache: Arc<Cache>,
}

// === impl TokenCache ===

impl<S> TokenCache<S> {
    pub(super) const fn new(inner: S, cache: Arc<Cache>) -> Self {
        Self { inner, cache }
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

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for TokenCache<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>> + Clone,
    S::Error: Into<BoxError>,
    RequestBody: ReplayableBody,
{
    type Response = Response<ResponseBody>;
    type Error = BoxError;
    type Future = ResponseFuture<S, RequestBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let settings = &self.cache.settings;
        if !settings.endpoints.of(&request).config().attach {
            return ResponseFuture::sending(self.inner.call(request), None);
        }
        if settings.origins.allow_sending_to(request.uri()) {
            if let Some(attached) = self.cache.fresh() {
                return self.send(request, attached);
            }
        }
        self.call_without_fresh_token(request)
    }
}

impl<S> TokenCache<S> {
    #[cold]
    fn call_without_fresh_token<B>(&mut self, request: Request<B>) -> ResponseFuture<S, B>
    where
        S: Service<Request<B>> + Clone,
        B: ReplayableBody,
    {
        if request.headers().contains_key(AUTHORIZATION) {
            return ResponseFuture::sending(self.inner.call(request), None);
        }
        if let Err(refused) = self.cache.settings.origins.check(request.uri()) {
            self.let_go();
            return ResponseFuture::failed(refused.into());
        }
        match self.cache.lookup() {
            Lookup::Attach(attached) => self.send(request, attached),
            Lookup::Wait => {
                self.let_go();
                let (cache, deadline) = (Arc::clone(&self.cache), Deadline::of(&request));
                ResponseFuture::waiting(Passage::new(cache, self.inner.clone(), request, deadline))
            }
            Lookup::Refused(error) => {
                self.let_go();
                ResponseFuture::failed(error.into())
            }
        }
    }

    /// Sends a request with the token, or as it is if it brings an `Authorization` of its own.
    #[inline]
    fn send<B>(&mut self, mut request: Request<B>, attached: Attached) -> ResponseFuture<S, B>
    where
        S: Service<Request<B>> + Clone,
        B: ReplayableBody,
    {
        if request.headers().contains_key(AUTHORIZATION) {
            return ResponseFuture::sending(self.inner.call(request), None);
        }
        let deadline = Deadline::of(&request);
        // Before the token is in the request: what is kept of it carries none.
        let watch = Watch::new(&self.cache, &attached, deadline, &self.inner, &request);
        request.headers_mut().insert(AUTHORIZATION, attached.header);
        ResponseFuture::sending(self.inner.call(request), watch)
    }
}
