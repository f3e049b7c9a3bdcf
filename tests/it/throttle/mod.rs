//! `ThrottleLayer`: permits, the queue, keys, and what it learns of a server's limit.

mod buckets;
mod by_hand;
mod down;
mod events;
#[cfg(feature = "shared")]
mod fleet;
mod goodput;
mod hanging;
mod hostile;
mod keys;
mod limiter;
mod liveness;
mod long_queue;
mod outage;
mod overload;
mod queue;
mod random;
mod readiness;
mod retries;
mod scope;
mod server;
#[cfg(feature = "shared")]
mod shared;
mod slow_down;
mod too_late;
mod unsent;

use std::time::Duration;

use http::Request;
use tokio::{task::JoinHandle, time::Instant};
use tower::{Layer, Service, ServiceExt};
use tower_heed::{
    BoxError, Error, ErrorKind, ThrottleLayer,
    error::find,
    throttle::{Throttle, ThrottleSnapshot},
};

use crate::support::{
    probe::{Body, Probe, Watch, probe},
    scripted::get,
};

type Called = Result<http::Response<Body>, BoxError>;

const SECOND: Duration = Duration::from_secs(1);

/// A client whose server has rate limited one request and asked for ten seconds, for all routes.
async fn rate_limited() -> (Throttle<Probe>, Watch) {
    let (probe, watch) = probe(4);
    let mut client = ThrottleLayer::new().layer(probe);
    rate_limit(&mut client, &watch).await;
    (client, watch)
}

async fn rate_limit(client: &mut Throttle<Probe>, watch: &Watch) {
    watch.respond(429, &[("retry-after", "10"), ("x-ratelimit-scope", "global")]);
    assert_eq!(send(client, get("/rate-limited")).await.unwrap().status(), 429);
    drop(watch.take_requests());
}

async fn send<S>(client: &mut S, request: Request<Body>) -> Result<S::Response, BoxError>
where
    S: Service<Request<Body>>,
    S::Error: Into<BoxError>,
{
    client.ready().await.map_err(Into::into)?.call(request).await.map_err(Into::into)
}

/// Sends on a task of its own, and returns when that waits.
async fn spawn(client: &Throttle<Probe>, request: Request<Body>) -> JoinHandle<Called> {
    let mut client = client.clone();
    let task = tokio::spawn(async move { send(&mut client, request).await });
    tokio::task::yield_now().await;
    task
}

/// The error of a request that got no permit in time.
fn throttled(error: &BoxError) -> &Error {
    let found = find::<Error>(error.as_ref()).unwrap_or_else(|| panic!("{error}"));
    assert!(matches!(found.kind(), ErrorKind::Throttled { .. }), "{error}");
    found
}

fn is_throttled(error: &BoxError) -> bool {
    find::<Error>(error.as_ref())
        .is_some_and(|error| matches!(error.kind(), ErrorKind::Throttled { .. }))
}

fn paths(watch: &Watch) -> Vec<String> {
    watch.take_requests().iter().map(|request| request.uri().path().to_owned()).collect()
}

/// The time since `start`, in whole milliseconds.
fn millis(start: Instant) -> u128 {
    (Instant::now() - start).as_millis()
}

fn only(mut keys: Vec<ThrottleSnapshot>) -> ThrottleSnapshot {
    assert_eq!(keys.len(), 1, "{keys:?}");
    keys.remove(0)
}
