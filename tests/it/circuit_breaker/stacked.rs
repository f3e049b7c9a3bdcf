//! In the recommended stack.

use std::sync::Arc;

use tower_heed::{FallbackLayer, Stack, extensions::Degraded};

use super::*;

#[tokio::test(start_paused = true)]
async fn an_open_circuit_is_neither_retried_nor_queued() {
    let (probe, watch) = probe(10);
    let layer = CircuitBreakerLayer::new();
    let client = Stack::new().circuit_breaker(layer.clone()).service(probe);
    for _ in 0..20 {
        watch.push(ScriptedResponse::status(503));
    }
    while state(&layer) != CircuitState::Open {
        drop(call(&client, "/").await);
    }
    let (sent, began) = (watch.attempts(), tokio::time::Instant::now());
    for _ in 0..100 {
        assert_eq!(ended(&client, "/").await, "open");
    }
    assert_eq!((watch.attempts(), tokio::time::Instant::now() - began), (sent, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn the_fallback_responds_for_it() {
    let (probe, watch) = probe(10);
    let layer = CircuitBreakerLayer::new();
    let fallback = FallbackLayer::fail_open(|_| Response::new("[]"));
    let client = Stack::new().circuit_breaker(layer.clone()).fallback(fallback).service(probe);
    for _ in 0..20 {
        watch.push(ScriptedResponse::status(503));
    }
    while state(&layer) != CircuitState::Open {
        drop(call(&client, "/").await);
    }
    let response = call(&client, "/").await.unwrap();
    let degraded = response.extensions().get::<Degraded>().unwrap();
    assert!(degraded.retry_after().is_some_and(|wait| wait > Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn the_name_and_the_endpoints_of_the_stack_are_the_layers() {
    let (probe, watch) = probe(10);
    let layer = CircuitBreakerLayer::new();
    let client = Stack::new()
        .circuit_breaker(layer.clone())
        .endpoint("GET /down".parse().unwrap(), |endpoint| {
            endpoint.circuit_breaker(|config| config.own_circuit()).max_retries(0)
        })
        .service(probe);
    for _ in 0..5 {
        watch.respond(503, &[]);
        assert_eq!(ended(&client, "/down").await, "503");
    }
    assert_eq!(ended(&client, "/down").await, "open");
    assert_eq!(ended(&client, "/up").await, "200");
    let key: Arc<str> = layer.handle().snapshot()[0].key().into();
    assert_eq!(&*key, "https://id.example GET /down");
}

#[cfg(feature = "axum")]
#[tokio::test(start_paused = true)]
async fn an_axum_app_responds_503_with_the_time_to_wait() {
    use axum::response::IntoResponse;
    use tower_heed::integrations::axum::UpstreamError;

    let (_, client, watch) = breaker();
    fail(&client, &watch, 5).await;
    let error = call(&client, "/").await.unwrap_err();
    let response = UpstreamError::from(error).into_response();
    assert_eq!(response.status(), 503);
    let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((5..=6).contains(&wait), "{wait}");
}
