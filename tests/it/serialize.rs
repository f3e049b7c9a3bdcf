//! Snapshots as a status page sends them.

use std::time::Duration;

use serde_json::json;
use tower::{Layer, Service, ServiceExt};
use tower_heed::{
    CircuitBreakerLayer, ErrorKind, ThrottleLayer, TokenCacheLayer, classify::ErrorClass,
    error::NotQueuedReason, token_cache::StaticToken,
};

use crate::support::{probe::probe, scripted::get};

#[tokio::test(start_paused = true)]
async fn snapshots_are_flat_and_in_seconds() {
    let (inner, watch) = probe(4);
    let (breaker, throttle) = (CircuitBreakerLayer::new(), ThrottleLayer::new());
    let mut client = throttle.layer(breaker.layer(inner));
    watch.respond(503, &[]);
    client.ready().await.unwrap().call(get("/")).await.unwrap();
    assert_eq!(
        serde_json::to_value(breaker.handle().snapshot()).unwrap(),
        json!([{
            "key": "https://id.example", "state": "closed", "failures": 1, "class": "unavailable", "retry_after": 0.0
        }])
    );
    let throttled = serde_json::to_value(throttle.handle().snapshot()).unwrap();
    let throttled = throttled[0].as_object().unwrap();
    assert_eq!(throttled["key"], "https://id.example");
    assert_eq!(throttled["queued"], 0);
    assert!(throttled.contains_key("oldest_wait"));

    let tokens = TokenCacheLayer::new(StaticToken::new("secret").unwrap());
    let handle = tokens.allow_any_https_origin();
    let mut client = handle.layer(watch.service());
    client.ready().await.unwrap().call(get("/")).await.unwrap();
    let text = serde_json::to_string(&handle.handle().snapshot()).unwrap();
    assert!(text.contains("\"state\":\"fresh\"") && !text.contains("secret"), "{text}");
    assert!(!text.contains(&format!("{:?}", Duration::ZERO)));
}

#[test]
fn kinds_have_names() {
    assert_eq!(serde_json::to_value(ErrorClass::RateLimited).unwrap(), "rate_limited");
    assert_eq!(ErrorKind::UpstreamUnavailable.as_str(), "upstream_unavailable");
    assert_eq!(NotQueuedReason::ShutDown.as_str(), "shut_down");
}
