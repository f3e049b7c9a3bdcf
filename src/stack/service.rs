use std::{
    fmt,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_service::Service;

use super::{Body, ResponseFuture, Stack, client::HttpClient, nest::Nest};
use crate::{BoxError, body::ReplayableBody};

/// The service that [`Stack::service`] makes: the layers around the client `S`, for requests with a body of `B`.
///
/// It is the same type whichever layers were chosen, so it fits in a struct:
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use hyper_util::client::legacy::{Client, connect::HttpConnector};
/// use tower_heed::stack::StackService;
///
/// #[derive(Clone)]
/// struct App {
///     users: StackService<Client<HttpConnector, Full<Bytes>>, Full<Bytes>>,
/// }
/// ```
pub struct StackService<S, B>
where
    S: HttpClient<B>,
    B: ReplayableBody,
{
    nest: Nest<S, B>,
}

// === impl StackService ===

impl<S, B> StackService<S, B>
where
    S: HttpClient<B>,
    B: ReplayableBody,
{
    pub(super) fn new(stack: &Stack, client: S) -> Self
    where
        S: Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        S::ResponseBody: Send + 'static,
        <S::ResponseBody as HttpBody>::Error: Into<BoxError>,
        B: HttpBody + Send + 'static,
    {
        Self { nest: Nest::new(stack, client) }
    }

    /// The client inside.
    pub const fn get_ref(&self) -> &S {
        self.nest.get_ref()
    }

    /// The client inside.
    pub const fn get_mut(&mut self) -> &mut S {
        self.nest.get_mut()
    }

    /// Takes the client out of its layers.
    pub fn into_inner(self) -> S {
        self.nest.into_inner()
    }
}

impl<S, B> Service<Request<B>> for StackService<S, B>
where
    S: HttpClient<B>,
    B: ReplayableBody,
{
    type Response = Response<Body<S::ResponseBody>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.nest.poll_ready(cx)
    }

    #[inline(never)]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        body.mark(&mut head.extensions);
        self.nest.call(Request::from_parts(head, body))
    }
}

impl<S, B> Clone for StackService<S, B>
where
    S: HttpClient<B>,
    B: ReplayableBody,
{
    fn clone(&self) -> Self {
        Self { nest: self.nest.clone() }
    }
}

impl<S, B> fmt::Debug for StackService<S, B>
where
    S: HttpClient<B> + fmt::Debug,
    B: ReplayableBody,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackService").finish_non_exhaustive()
    }
}
