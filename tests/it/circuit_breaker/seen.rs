//! What operators see.

use tower_heed::classify::ErrorClass;

use super::*;
use crate::support::events::Events;

#[tokio::test(start_paused = true)]
async fn a_circuit_is_logged_when_it_opens_and_when_it_closes() {
    let events = Events::record();
    let (probe, watch) = probe(1);
    let layer = CircuitBreakerLayer::new()
        .name("clerk")
        .endpoint("GET /users/{id}".parse().unwrap(), |config| config);
    let client = layer.layer(probe);
    for _ in 0..5 {
        watch.respond(503, &[]);
        assert_eq!(ended(&client, "/users/secret").await, "503");
    }
    assert_eq!(ended(&client, "/users/secret").await, "open");
    let opened = events.named("circuit opened");
    assert_eq!(opened.len(), 1);
    assert_eq!(opened[0].level, tracing::Level::WARN);
    let wait: u64 = opened[0].field("wait_ms").unwrap().parse().unwrap();
    assert!((5_000..=5_500).contains(&wait));
    for (name, value) in [
        ("stack", "clerk"),
        ("key", "https://id.example"),
        ("endpoint", "GET /users/{id}"),
        ("class", "unavailable"),
        ("failures", "5"),
    ] {
        assert_eq!(opened[0].field(name), Some(value), "{name}");
    }
    wait_for_probe(5).await;
    assert_eq!(ended(&client, "/users/secret").await, "200");
    let closed = events.named("circuit closed");
    assert_eq!(closed.len(), 1);
    assert_eq!(closed[0].level, tracing::Level::INFO);
    assert!(!events.text().contains("secret"), "{}", events.text());
}

#[tokio::test(start_paused = true)]
async fn the_handle_shows_each_circuit() {
    let (layer, client, watch) = breaker();
    assert!(layer.handle().snapshot().is_empty());
    fail(&client, &watch, 2).await;
    let snapshot = layer.handle().snapshot();
    assert_eq!(snapshot[0].state().as_str(), "closed");
    assert_eq!((snapshot[0].failures(), snapshot[0].class()), (2, ErrorClass::Unavailable));
    assert_eq!(snapshot[0].retry_after(), Duration::ZERO);
    fail(&client, &watch, 3).await;
    let snapshot = layer.handle().snapshot();
    assert_eq!((snapshot[0].key(), snapshot[0].failures()), ("https://id.example", 5));
    assert_eq!(snapshot[0].state().as_str(), "open");
    assert!(snapshot[0].retry_after() >= 5 * SECOND);
    wait_for_probe(5).await;
    assert_eq!(layer.handle().snapshot()[0].state().as_str(), "half_open");
}
