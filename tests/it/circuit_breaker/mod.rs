//! `CircuitBreakerLayer`: when a circuit opens, who probes, and what callers get meanwhile.

mod callers;
mod classes;
mod figures;
mod keys;
mod probes;
mod seen;
mod stacked;

use std::time::Duration;

use http::Response;
use tower::{Layer, Service, ServiceExt};
use tower_heed::{
    BoxError, CircuitBreakerLayer, Error, ErrorKind,
    circuit_breaker::{CircuitBreaker, CircuitState},
    error::find,
};

use crate::support::{
    probe::{Body, Probe, ScriptedResponse, Watch, probe},
    scripted::get,
};

const SECOND: Duration = Duration::from_secs(1);

type Client = CircuitBreaker<Probe>;

fn breaker() -> (CircuitBreakerLayer, Client, Watch) {
    let (probe, watch) = probe(10_000);
    let layer = CircuitBreakerLayer::new();
    let client = layer.layer(probe);
    (layer, client, watch)
}

async fn call<S>(client: &S, path: &str) -> Result<S::Response, BoxError>
where
    S: Service<http::Request<Body>, Error = BoxError> + Clone,
{
    let mut client = client.clone();
    client.ready().await?.call(get(path)).await
}

/// The status of a response, or `open`, or the error.
async fn ended<S, B>(client: &S, path: &str) -> String
where
    S: Service<http::Request<Body>, Response = Response<B>, Error = BoxError> + Clone,
{
    match call(client, path).await {
        Ok(response) => response.status().as_str().to_owned(),
        Err(error) if is_open(&error) => "open".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn is_open(error: &BoxError) -> bool {
    find::<Error>(&**error)
        .is_some_and(|error| matches!(error.kind(), ErrorKind::CircuitOpen { .. }))
}

/// Fails `times` requests with a 503.
async fn fail(client: &Client, watch: &Watch, times: usize) {
    for _ in 0..times {
        watch.respond(503, &[]);
        assert_eq!(ended(client, "/").await, "503");
    }
}

fn state(layer: &CircuitBreakerLayer) -> CircuitState {
    let snapshot = layer.handle().snapshot();
    snapshot.first().map_or(CircuitState::Closed, |circuit| circuit.state())
}

/// The longest that a circuit is open after it has opened for `secs`.
async fn wait_for_probe(secs: u64) {
    tokio::time::sleep(Duration::from_millis(secs * 1_100)).await;
}
