//! The client at the bottom of a stack.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::BoxError;

/// A client that a [`Stack`](super::Stack) can go around: any `Clone` service for requests with a body `B`, such as hyper-util's
/// client, a `ReqwestService`, a boxed service or a `service_fn`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no HTTP client for requests with a body of `{B}`",
    label = "a stack goes around a `Clone` service from `http::Request<{B}>` to `http::Response`",
    note = "a reqwest client goes into `tower_heed::integrations::reqwest::ReqwestService` (feature `reqwest`)",
    note = "a service that is not `Clone`, such as one that was `boxed`, must be: box it by `boxed_clone` instead"
)]
pub trait HttpClient<B>:
    Service<Request<B>, Response = Response<Self::ResponseBody>> + Clone
{
    /// The body of its responses.
    type ResponseBody: Body;
}

impl<S, B, RB> HttpClient<B> for S
where
    S: Service<Request<B>, Response = Response<RB>> + Clone,
    RB: Body,
{
    type ResponseBody = RB;
}

/// A client whose errors are boxed, and whose response bodies yield [`Bytes`].
///
/// The conversions of errors are function pointers, taken where `E: Into<BoxError>` is known. As a bound, the compiler would have to
/// prove it again wherever a future must be `Send`, and inside an `async` block it cannot for `E = BoxError`:
/// <https://github.com/rust-lang/rust/issues/64552>.
pub(super) struct Client<S, B>
where
    S: HttpClient<B>,
{
    client: S,
    errors: Errors<S::Error, S::ResponseBody>,
}

/// How the errors of a client and of its response bodies are boxed.
struct Errors<E, RB: Body> {
    of_call: fn(E) -> BoxError,
    of_body: fn(RB::Error) -> BoxError,
}

pin_project! {
    /// The response of a [`Client`].
    pub(super) struct ClientFuture<F, E, RB: Body> {
        #[pin]
        response: F,
        errors: Errors<E, RB>,
    }
}

pin_project! {
    /// The response body of a [`Client`].
    pub(super) struct ClientBody<RB: Body> {
        #[pin]
        body: RB,
        boxed: fn(RB::Error) -> BoxError,
    }
}

// === impl Client ===

impl<S, B> Client<S, B>
where
    S: HttpClient<B>,
{
    pub(super) fn new(client: S) -> Self
    where
        S::Error: Into<BoxError>,
        <S::ResponseBody as Body>::Error: Into<BoxError>,
    {
        Self { client, errors: Errors { of_call: Into::into, of_body: Into::into } }
    }

    pub(super) const fn get_ref(&self) -> &S {
        &self.client
    }

    pub(super) const fn get_mut(&mut self) -> &mut S {
        &mut self.client
    }

    pub(super) fn into_inner(self) -> S {
        self.client
    }
}

impl<S, B> Service<Request<B>> for Client<S, B>
where
    S: HttpClient<B>,
{
    type Response = Response<ClientBody<S::ResponseBody>>;
    type Error = BoxError;
    type Future = ClientFuture<S::Future, S::Error, S::ResponseBody>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.client.poll_ready(cx).map_err(self.errors.of_call)
    }

    #[inline(always)]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        ClientFuture { response: self.client.call(request), errors: self.errors }
    }
}

impl<S, B> Clone for Client<S, B>
where
    S: HttpClient<B>,
{
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), errors: self.errors }
    }
}

impl<S, B> fmt::Debug for Client<S, B>
where
    S: HttpClient<B> + fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(f)
    }
}

// === impl Errors ===

impl<E, RB: Body> Clone for Errors<E, RB> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E, RB: Body> Copy for Errors<E, RB> {}

// === impl ClientFuture ===

impl<F, E, RB> Future for ClientFuture<F, E, RB>
where
    F: Future<Output = Result<Response<RB>, E>>,
    RB: Body,
{
    type Output = Result<Response<ClientBody<RB>>, BoxError>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        Poll::Ready(match ready!(this.response.poll(cx)) {
            Ok(response) => {
                let boxed = this.errors.of_body;
                Ok(response.map(|body| ClientBody { body, boxed }))
            }
            Err(error) => Err((this.errors.of_call)(error)),
        })
    }
}

// === impl ClientBody ===

impl<RB: Body> Body for ClientBody<RB> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        let frame = ready!(this.body.poll_frame(cx));
        Poll::Ready(frame.map(|frame| match frame {
            Ok(frame) => Ok(frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))),
            Err(error) => Err((this.boxed)(error)),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
