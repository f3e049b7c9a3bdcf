//! The bare service: what a call costs that goes through no layer at all.

use std::{
    cell::RefCell,
    convert::Infallible,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
    time::{Duration, SystemTime},
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

/// What the response says of a rate limit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    Unsaid,
    /// `x-ratelimit-limit`, `-remaining` and `-reset`, as most servers that have a limit say with each response.
    Shown,
}

/// Responds in the process, without a runtime.
#[derive(Clone, Debug)]
pub(crate) struct Api(pub(crate) Timing, pub(crate) Limit);

/// The response of [`Api`].
#[derive(Debug)]
pub(crate) struct ResponseFuture(Timing, Limit);

/// The units of the window, more than any bench uses.
const UNITS: u64 = 9_000_000;

/// The length of the window, longer than any bench.
const WINDOW: Duration = Duration::from_secs(3_600);

static USED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static SERVER: RefCell<Option<Server>> = const { RefCell::new(None) };
}

/// The header fields that a server does not compose anew for each response.
struct Server {
    second: u64,
    date: HeaderValue,
    reset: HeaderValue,
}

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
        ResponseFuture(self.0, self.1)
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
        let mut response = Response::builder()
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(CACHE_CONTROL, HeaderValue::from_static("no-store"))
            .header(ETAG, HeaderValue::from_static("\"33a64df5\""))
            .header(VARY, HeaderValue::from_static("Accept"));
        response = match self.1 {
            Limit::Unsaid => {
                response.header(DATE, HeaderValue::from_static("Fri, 21 Nov 2025 10:00:00 GMT"))
            }
            Limit::Shown => {
                let (date, reset) = Server::now();
                let left = UNITS - USED.fetch_add(1, Ordering::Relaxed);
                response
                    .header(DATE, date)
                    .header(&LIMIT, HeaderValue::from_static("9000000"))
                    .header(&REMAINING, HeaderValue::from(left))
                    .header(&RESET, reset)
            }
        };
        Poll::Ready(Ok(response.body(Full::default()).unwrap()))
    }
}

static LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
static REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
static RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

// === impl Server ===

impl Server {
    /// `Date` and the end of the window.
    fn now() -> (HeaderValue, HeaderValue) {
        #[allow(clippy::disallowed_methods, reason = "the server's clock")]
        let now = SystemTime::now();
        let second = now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        SERVER.with_borrow_mut(|server| {
            let date = || HeaderValue::try_from(httpdate::fmt_http_date(now)).unwrap();
            let server = server.get_or_insert_with(|| Self {
                second,
                date: date(),
                reset: HeaderValue::from(second + WINDOW.as_secs()),
            });
            if server.second != second {
                (server.second, server.date) = (second, date());
            }
            (server.date.clone(), server.reset.clone())
        })
    }
}
