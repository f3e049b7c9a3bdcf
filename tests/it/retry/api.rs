//! An API whose responses the test writes, and which records what it was sent and when.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};
use tower_heed::{
    BoxError, RetryOnRateLimit,
    extensions::Attempt,
    retry::{RetryOutcome, Stopped},
};

pub type Body = Full<Bytes>;
pub type Reply = Result<Response<Body>, BoxError>;

/// Clones are not ready, and calling one that is not is a panic.
pub struct Api {
    shared: Arc<Shared>,
    ready: bool,
}

struct Shared {
    reply: Box<dyn Fn(usize) -> Reply + Send + Sync>,
    attempts: Mutex<Vec<Sent>>,
}

#[derive(Clone, Debug)]
pub struct Sent {
    pub at: Instant,
    pub method: Method,
    pub headers: HeaderMap,
    pub attempt: Option<u32>,
    pub body: Result<Bytes, String>,
}

/// Responds to the first attempt with `reply(0)`, the second with `reply(1)` ...
pub fn api(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Api {
    let shared = Shared { reply: Box::new(reply), attempts: Mutex::default() };
    Api { shared: Arc::new(shared), ready: false }
}

/// Statuses and header fields.
pub type Script = &'static [(u16, &'static [(&'static str, &'static str)])];

/// Responds to the first attempts with these and all others with 200.
pub fn script(replies: Script) -> Api {
    api(move |send| match replies.get(send) {
        Some((status, headers)) => response(*status, headers),
        None => response(200, &[]),
    })
}

pub fn response(status: u16, headers: &[(&str, &str)]) -> Reply {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    Ok(response.body(Full::from("the response"))?)
}

pub fn get() -> Request<Body> {
    request(Method::GET)
}

pub fn post() -> Request<Body> {
    request(Method::POST)
}

pub fn request(method: Method) -> Request<Body> {
    let request = Request::builder().method(method).uri("https://id.example/users/1?secret=1");
    request.header("x-kept", "as it was").body(Full::from("sent")).unwrap()
}

pub fn outcome(response: &Response<Body>) -> RetryOutcome {
    *response.extensions().get().expect("no outcome")
}

pub fn stopped(response: &Response<Body>) -> Stopped {
    outcome(response).stopped()
}

/// Sends one request through the layer.
pub async fn send(layer: &RetryOnRateLimit, api: &Api, request: Request<Body>) -> Reply {
    layer.layer(api.clone()).oneshot(request).await
}

// === impl Api ===

impl Api {
    pub fn attempts(&self) -> Vec<Sent> {
        self.shared.attempts.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.shared.attempts.lock().unwrap().len()
    }

    /// The times between attempts.
    pub fn gaps(&self) -> Vec<Duration> {
        self.attempts().windows(2).map(|pair| pair[1].at - pair[0].at).collect()
    }

    /// How many instances there are, this one included, and futures of theirs.
    pub fn instances(&self) -> usize {
        Arc::strong_count(&self.shared)
    }
}

impl Clone for Api {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), ready: false }
    }
}

impl<B> Service<Request<B>> for Api
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Display> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Reply> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without being made ready");
        let at = Instant::now();
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await;
            let body = body.map(|whole| whole.to_bytes()).map_err(|error| error.to_string());
            let attempt = head.extensions.get::<Attempt>().map(|attempt| attempt.retries());
            let send = {
                let mut attempts = shared.attempts.lock().unwrap();
                attempts.push(Sent {
                    at,
                    method: head.method,
                    headers: head.headers,
                    attempt,
                    body,
                });
                attempts.len() - 1
            };
            (shared.reply)(send)
        })
    }
}
