//! The bare service: what a call costs that goes through no layer at all.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Request, Response, Uri,
    header::{CACHE_CONTROL, CONTENT_TYPE, DATE, ETAG, USER_AGENT, VARY},
};
use http_body_util::Full;
use tower::Service;

pub(crate) type Body = Full<Bytes>;

/// When the response comes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Timing {
    AtOnce,
    /// At the second poll: a layer with a timer has to register it.
    AfterOnePending,
}

/// Responds in the process, without a runtime.
#[derive(Clone, Debug)]
pub(crate) struct Api(pub(crate) Timing);

/// The response of [`Api`].
#[derive(Debug)]
pub(crate) struct ResponseFuture(Timing);

/// Builds the request of every call from parts that are shared, as a client does that sends many of them.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    uri: Uri,
    body: Bytes,
    trace: HeaderValue,
}

// === impl Requests ===

impl Requests {
    pub(crate) fn new() -> Self {
        Self {
            uri: Uri::from_static(
                "https://acme.eu.auth0.com/api/v2/users/auth0%7C5f7c8ec7c33c6c004bbafe82",
            ),
            body: Bytes::from(vec![b'x'; 256]),
            trace: HeaderValue::from_static(
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            ),
        }
    }

    pub(crate) fn next(&self) -> Request<Body> {
        Request::patch(self.uri.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(USER_AGENT, HeaderValue::from_static("backend/1.0"))
            .header(HeaderName::from_static("traceparent"), self.trace.clone())
            .body(Full::new(self.body.clone()))
            .unwrap()
    }
}

// === impl Api ===

impl Service<Request<Body>> for Api {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> ResponseFuture {
        drop(divan::black_box(request));
        ResponseFuture(self.0)
    }
}

// === impl ResponseFuture ===

impl Future for ResponseFuture {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Timing::AfterOnePending = self.0 {
            self.0 = Timing::AtOnce;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let response = Response::builder()
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(CACHE_CONTROL, HeaderValue::from_static("no-store"))
            .header(DATE, HeaderValue::from_static("Fri, 21 Nov 2025 10:00:00 GMT"))
            .header(ETAG, HeaderValue::from_static("\"33a64df5\""))
            .header(VARY, HeaderValue::from_static("Accept"))
            .body(Full::default());
        Poll::Ready(Ok(response.unwrap()))
    }
}
