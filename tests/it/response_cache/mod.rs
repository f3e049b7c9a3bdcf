//! `ResponseCacheLayer`.

mod abandoned;
mod bodies;
mod bounds;
mod cancellation;
mod deadlines;
mod events;
mod fetches;
mod freshness;
mod heads;
mod invalidation;
mod keys;
mod pairs;
mod pass_through;
mod stacked;
mod stale;
mod validation;

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::{task::JoinHandle, time::sleep};
use tower::{Layer, Service, ServiceExt};
use tower_heed::{
    BoxError, EndpointPattern, Error, ErrorKind, ResponseCacheLayer,
    error::find,
    response_cache::{CacheBody, ResponseCache, ResponseCacheConfig, Stale},
};

use crate::support::{
    probe::Body,
    scripted::{get, response},
};

const SECOND: Duration = Duration::from_secs(1);

type CallResult = Result<Response<CacheBody<Body>>, BoxError>;
type Script = dyn Fn(&Request<Body>) -> Result<Response<Body>, BoxError> + Send + Sync;

/// A server that takes some time to respond, and counts its requests.
#[derive(Clone)]
struct Api {
    script: Arc<Mutex<Arc<Script>>>,
    takes: Duration,
    requests: Arc<AtomicUsize>,
}

/// A response with its body.
#[derive(Debug)]
struct Got {
    status: u16,
    body: String,
    age: Option<String>,
    stale: Option<Stale>,
}

// === impl Api ===

impl Api {
    /// A server that responds with the path and the number of the request.
    fn new() -> Self {
        let api = Self::scripted(|_| Ok(response(200, &[])));
        let requests = Arc::clone(&api.requests);
        api.becomes(move |request| {
            let text = format!("{} {}", request.uri().path(), requests.load(Ordering::SeqCst));
            Ok(Response::new(text.into()))
        });
        api
    }

    fn scripted(
        script: impl Fn(&Request<Body>) -> Result<Response<Body>, BoxError> + Send + Sync + 'static,
    ) -> Self {
        let script: Arc<Script> = Arc::new(script);
        Self {
            script: Arc::new(Mutex::new(script)),
            takes: Duration::ZERO,
            requests: Arc::default(),
        }
    }

    fn taking(mut self, takes: Duration) -> Self {
        self.takes = takes;
        self
    }

    /// Replaces the script.
    fn becomes(
        &self,
        script: impl Fn(&Request<Body>) -> Result<Response<Body>, BoxError> + Send + Sync + 'static,
    ) {
        *self.script.lock().unwrap() = Arc::new(script);
    }

    fn responds(&self, status: u16, headers: &'static [(&'static str, &'static str)]) {
        self.becomes(move |_| Ok(response(status, headers)));
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Service<Request<Body>> for Api {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let (script, takes) = (Arc::clone(&self.script), self.takes);
        Box::pin(async move {
            if !takes.is_zero() {
                sleep(takes).await;
            }
            let script = Arc::clone(&*script.lock().unwrap());
            script(&request)
        })
    }
}

fn user() -> EndpointPattern {
    "GET /users/{id}".parse().unwrap()
}

/// A layer that caches users for a minute.
fn layer() -> ResponseCacheLayer {
    with(|config| config)
}

fn with(configure: impl FnOnce(ResponseCacheConfig) -> ResponseCacheConfig) -> ResponseCacheLayer {
    ResponseCacheLayer::new().endpoint(user(), |config| configure(config.ttl(60 * SECOND)))
}

fn client(layer: &ResponseCacheLayer, api: &Api) -> ResponseCache<Api> {
    layer.layer(api.clone())
}

fn with_headers(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = get(path);
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    request
}

fn of(method: &str, path: &str) -> Request<Body> {
    let mut request = get(path);
    *request.method_mut() = method.parse().unwrap();
    request
}

async fn send<S, B>(client: &mut S, request: Request<Body>) -> Result<Got, BoxError>
where
    S: Service<Request<Body>, Response = Response<CacheBody<B>>, Error = BoxError>,
    CacheBody<B>: http_body::Body<Data = Bytes, Error = BoxError>,
{
    read(client.ready().await?.call(request).await?).await
}

async fn read<B>(response: Response<CacheBody<B>>) -> Result<Got, BoxError>
where
    CacheBody<B>: http_body::Body<Data = Bytes, Error = BoxError>,
{
    let (head, body) = response.into_parts();
    Ok(Got {
        status: head.status.as_u16(),
        age: head.headers.get("age").map(|age| age.to_str().unwrap().to_owned()),
        stale: head.extensions.get().copied(),
        body: String::from_utf8(body.collect().await?.to_bytes().into()).unwrap(),
    })
}

/// The body of the response to a `GET` of this path.
async fn text(client: &mut ResponseCache<Api>, path: &str) -> String {
    send(client, get(path)).await.unwrap().body
}

/// Calls in a task of its own, and returns when that waits.
async fn spawn(
    client: &ResponseCache<Api>,
    request: Request<Body>,
) -> JoinHandle<Result<Got, BoxError>> {
    let mut client = client.clone();
    let task = tokio::spawn(async move { send(&mut client, request).await });
    tokio::task::yield_now().await;
    task
}

fn is_fetch_failed(error: &BoxError) -> bool {
    find::<Error>(error.as_ref()).is_some_and(|error| *error.kind() == ErrorKind::FetchFailed)
}

async fn advance(span: Duration) {
    tokio::time::advance(span).await;
}

fn full(text: &str) -> Full<Bytes> {
    Full::from(text.to_owned())
}
