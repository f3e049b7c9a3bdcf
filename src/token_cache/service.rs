use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{
    ResponseFuture,
    cache::Cache,
    cached::Cached,
    error,
    future::State,
    lookup::Lookup,
    pending::{PendingRequest, ReplayGuard},
    rejection::Tried,
    watch::RejectsToken,
};
use crate::{BoxError, body::ReplayableBody, extensions::Deadline};

/// The service that [`TokenCacheLayer`](super::TokenCacheLayer) makes.
#[derive(Clone, Debug)]
pub struct TokenCache<S> {
    inner: S,
    /// None where no token is attached.
    cache: Option<Cache>,
}

// === impl TokenCache ===

impl<S> TokenCache<S> {
    pub(super) const fn new(inner: S, cache: Cache) -> Self {
        Self { inner, cache: Some(cache) }
    }

    /// Attaches no token.
    pub(crate) const fn off(inner: S) -> Self {
        Self { inner, cache: None }
    }

    inner_accessors!();

    /// Releases the ready instance with whatever it holds, because nothing is sent for now.
    fn release(&mut self)
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

    // A stack calls it in one place. Inlined, the request is copied once less.
    #[inline(always)]
    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        let mut guard = None;
        if let Some(cache) = &self.cache {
            let route = cache.endpoint(&request).config();
            if route.attach {
                let selected = cache.selected(request.extensions().get(), route);
                let cache = selected.as_ref().unwrap_or(cache);
                let is_allowed = cache.settings().origins.allow_sending_to(request.uri());
                let rejects = route.rejects.as_ref();
                let mut attach = |token: &Arc<Cached>| {
                    guard = attach(token, cache, rejects, &self.inner, &mut request);
                };
                if !is_allowed || cache.fresh(&mut attach).is_none() {
                    let cache = cache.clone();
                    return self.call_without_fresh_token(cache, request);
                }
            }
        }
        ResponseFuture { guard, state: State::Sending { future: self.inner.call(request) } }
    }
}

impl<S> TokenCache<S> {
    #[cold]
    fn call_without_fresh_token<B>(
        &mut self,
        cache: Cache,
        mut request: Request<B>,
    ) -> ResponseFuture<S, B>
    where
        S: Service<Request<B>> + Clone,
        B: ReplayableBody,
    {
        if cache.is_in(request.headers()) {
            let future = self.inner.call(request);
            return ResponseFuture { guard: None, state: State::Sending { future } };
        }
        if let Err(kind) = cache.settings().origins.check(request.uri()) {
            if cache.settings().elsewhere && request.uri().host().is_some() {
                let future = self.inner.call(request);
                return ResponseFuture { guard: None, state: State::Sending { future } };
            }
            let endpoint = cache.endpoint(&request).shared_pattern();
            self.release();
            return ResponseFuture::failed(error::not_allowed(kind, endpoint));
        }
        let cache = cache.for_request(request.extensions());
        match cache.lookup() {
            Lookup::Token(token) => {
                let route = cache.endpoint(&request).config();
                let rejects = route.rejects.as_ref();
                let guard = attach(&token, &cache, rejects, &self.inner, &mut request);
                let future = self.inner.call(request);
                ResponseFuture { guard, state: State::Sending { future } }
            }
            Lookup::Wait => {
                self.release();
                let (service, deadline) = (self.inner.clone(), Deadline::of(&request));
                let pending = PendingRequest::new(cache, service, request, deadline);
                ResponseFuture::waiting(pending)
            }
            Lookup::Cooldown(cause) => {
                let endpoint = cache.endpoint(&request).shared_pattern();
                self.release();
                ResponseFuture::failed(error::unavailable(cause, endpoint))
            }
        }
    }
}

/// Puts the token into a request that has no `Authorization` yet, and keeps what its rejection needs.
#[inline]
fn attach<S, B>(
    token: &Arc<Cached>,
    cache: &Cache,
    rejects: Option<&RejectsToken>,
    service: &S,
    request: &mut Request<B>,
) -> Option<ReplayGuard<S, B>>
where
    S: Clone,
    B: ReplayableBody,
{
    if token.is_in(request.headers()) {
        return None;
    }
    // Before the token is in the request: the copy carries none.
    let guard = ReplayGuard::new(
        cache,
        token,
        rejects,
        Tried::default(),
        Deadline::of(request),
        service,
        request,
    );
    token.attach(request.headers_mut());
    guard
}
