//! Callers: their time limits, their permits, and many of them.

use tokio_test::task;
use tower_heed::{ThrottleLayer, TimeoutLayer};

use super::*;

#[tokio::test(start_paused = true)]
async fn callers_whose_time_runs_out_show_that_the_upstream_hangs() {
    let (layer, client, watch) = breaker();
    let client = TimeoutLayer::new(2 * SECOND).layer(client);
    for _ in 0..5 {
        watch.push(ScriptedResponse::never());
        assert!(ended(&client, "/").await.starts_with("time limit"));
    }
    assert_eq!(state(&layer), CircuitState::Open);
    assert_eq!(ended(&client, "/").await, "open");
}

#[tokio::test(start_paused = true)]
async fn callers_who_leave_early_say_nothing() {
    let (layer, client, watch) = breaker();
    let limited = TimeoutLayer::new(10 * SECOND).layer(client.clone());
    for _ in 0..100 {
        watch.push(ScriptedResponse::never());
        watch.push(ScriptedResponse::never());
        assert!(task::spawn(call(&client, "/")).poll().is_pending());
        assert!(tokio::time::timeout(SECOND, call(&limited, "/")).await.is_err());
    }
    assert!(layer.handle().snapshot().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_permit_is_no_failure() {
    let (probe, watch) = probe(10);
    let layer = CircuitBreakerLayer::new();
    let client = layer.layer(ThrottleLayer::new().layer(probe));
    let client = TimeoutLayer::new(5 * SECOND).layer(client);
    watch.respond(429, &[("retry-after", "60")]);
    assert_eq!(ended(&client, "/").await, "429");
    for _ in 0..20 {
        assert_ne!(ended(&client, "/").await, "open");
    }
    assert!(layer.handle().snapshot().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_holds_no_permit() {
    let (_, client, watch) = breaker();
    fail(&client, &watch, 5).await;
    let permits = watch.permits();
    let mut client = client;
    let future = client.ready().await.unwrap().call(get("/"));
    assert_eq!(watch.permits(), permits);
    assert!(is_open(&future.await.unwrap_err()));
    // And the next call is made ready anew.
    wait_for_probe(5).await;
    assert!(client.ready().await.unwrap().call(get("/")).await.is_ok());
    assert_eq!(watch.unready_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn clones_of_the_layer_and_of_the_service_share_its_circuits() {
    let (layer, client, watch) = breaker();
    let other = layer.clone().layer(watch.service());
    fail(&client, &watch, 3).await;
    fail(&other, &watch, 2).await;
    assert_eq!(ended(&client, "/").await, "open");
    assert_eq!(ended(&other.clone(), "/").await, "open");
}

#[tokio::test(start_paused = true)]
async fn of_thousands_at_once_none_is_sent_once_it_is_open() {
    let (_, client, watch) = breaker();
    for _ in 0..5_000 {
        watch.push(ScriptedResponse::status(503).after(SECOND));
    }
    let calls: Vec<_> = (0..5_000)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { ended(&client, "/").await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), "503");
    }
    for _ in 0..5_000 {
        assert_eq!(ended(&client, "/").await, "open");
    }
    assert_eq!(watch.attempts(), 5_000);
}
