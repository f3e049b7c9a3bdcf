//! The name of a stack, in what its layers log, count and trace.

use std::time::Duration;

use http::Request;
use tokio::time::sleep;
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_heed::{
    DetachLayer, FallbackLayer, RetryOnRateLimit, Stack, ThrottleLayer, classify::ErrorClass,
};

use super::{NEW_TOKEN, REJECTED, get, send, tokens};
use crate::support::{
    events::Events,
    probe::{Body, probe},
};

/// A stack whose layers all have something to log in [`trouble`].
fn stack() -> Stack {
    let fallback = FallbackLayer::fail_closed().fail_open_on(ErrorClass::Rejected);
    Stack::new().fallback(fallback).retry(RetryOnRateLimit::new().max_retries(1))
}

/// A rate limit, a failure that is not retried, and a rejected token.
async fn trouble(stack: Stack) {
    let (probe, watch) = probe(4);
    let token = tokens();
    let mut client = stack.token_cache(token).service(probe);
    watch.respond(
        429,
        &[
            ("retry-after", "1"),
            ("ratelimit-limit", "9"),
            ("ratelimit-remaining", "0"),
            ("ratelimit-reset", "1"),
        ],
    );
    watch.respond(503, &[]);
    drop(send(&mut client).await);
    sleep(NEW_TOKEN).await;
    watch.respond(401, REJECTED);
    send(&mut client).await.unwrap();
}

const LOGGED: [&str; 8] = [
    "waiting to retry",
    "not retried",
    "learned the server's limit",
    "rate limited",
    "auth status changed",
    "token obtained",
    "token rejected, fetching another",
    "failed closed",
];

#[tokio::test(start_paused = true)]
async fn is_in_the_events_of_all_its_layers_and_of_no_other_stack() {
    let events = Events::record();
    // Clones share a throttle, and each has its own name.
    let named = stack();
    trouble(named.clone().name("auth0")).await;
    trouble(named.name("clerk")).await;
    trouble(stack()).await;
    for message in LOGGED {
        let mut stacks: Vec<_> = events.named(message);
        stacks.dedup_by_key(|event| event.field("stack").map(ToOwned::to_owned));
        let stacks: Vec<_> = stacks.iter().map(|event| event.field("stack")).collect();
        // What the throttle learned from the first, the second knows.
        let expected: &[_] = match message {
            "learned the server's limit" => &[Some("auth0"), None],
            _ => &[Some("auth0"), Some("clerk"), None],
        };
        assert_eq!(stacks, expected, "{message}: {}", events.text());
    }
}

#[tokio::test(start_paused = true)]
async fn replaces_those_of_its_layers_and_holds_at_its_endpoints() {
    let events = Events::record();
    let (probe, watch) = probe(4);
    let mut client = Stack::new()
        .name("auth0")
        .endpoint("GET /users/{id}".parse().unwrap(), |endpoint| endpoint.max_retries(0))
        .throttle(ThrottleLayer::new().name("other"))
        .retry(RetryOnRateLimit::new().name("other"))
        .service(probe);
    watch.respond(429, &[]);
    send(&mut client).await.unwrap();
    let seen = events.named("not retried");
    assert_eq!(seen[0].field("stack"), Some("auth0"));
    assert_eq!(seen[0].field("endpoint"), Some("GET /users/{id}"));
    assert!(!events.text().contains("other"), "{}", events.text());
}

#[tokio::test(start_paused = true)]
async fn is_in_the_events_of_handles_of_a_named_layer() {
    let events = Events::record();
    let layer = tokens().name("auth0");
    let handle = layer.handle();
    let (probe, _watch) = probe(4);
    let key = tower_heed::token_cache::TokenKey::new();
    layer.layer(probe).oneshot(get()).await.unwrap();
    handle.force_refresh(&key).await.unwrap();
    handle.invalidate(&key);
    for message in ["token obtained", "token refresh forced", "token invalidated"] {
        let seen = events.named(message);
        assert_eq!(seen[0].field("stack"), Some("auth0"), "{message}: {}", events.text());
    }
}

#[tokio::test(start_paused = true)]
async fn is_in_the_events_of_a_detach_layer_of_that_name() {
    let events = Events::record();
    let (probe, watch) = probe(4);
    let detach = DetachLayer::new()
        .name("auth0")
        .max_queued(1)
        .endpoint("POST /events".parse().unwrap(), |config| config)
        .on_failure(|_, _| panic!("in a callback"));
    let handle = detach.handle();
    let client = ServiceBuilder::new().layer(detach).service(probe);
    watch.respond(500, &[]);
    for _ in 0..7 {
        let post = Request::post("https://id.example/events").body(Body::default()).unwrap();
        drop(client.clone().oneshot(post).await);
    }
    handle.shutdown(Duration::from_secs(9)).await;
    for message in [
        "detached request failed",
        "callback of a detached request panicked",
        "queue of detached requests is full",
        "queue of detached requests has room again",
        "queue of detached requests was shut down",
    ] {
        let seen = events.named(message);
        assert_eq!(seen[0].field("stack"), Some("auth0"), "{message}: {}", events.text());
    }
}

#[cfg(feature = "response-cache")]
#[tokio::test(start_paused = true)]
async fn is_in_the_events_of_the_response_cache() {
    let events = Events::record();
    let (probe, watch) = probe(4);
    let second = Duration::from_secs(1);
    let cache = tower_heed::ResponseCacheLayer::new()
        .endpoint("GET /users/{id}".parse().unwrap(), |config| config.ttl(second));
    let mut client = Stack::new()
        .name("auth0")
        .response_cache(cache)
        .endpoint("/users/{id}".parse().unwrap(), |endpoint| endpoint.max_retries(0))
        .service(probe);
    send(&mut client).await.unwrap();
    tokio::time::advance(2 * second).await;
    watch.respond(503, &[]);
    send(&mut client).await.unwrap();
    // The cooldown of the failed fetch is over by then.
    tokio::time::advance(60 * second).await;
    send(&mut client).await.unwrap();
    for message in ["response stored", "serving stale responses", "server recovered"] {
        let seen = events.named(message);
        let seen = seen.first().unwrap_or_else(|| panic!("{message}: {}", events.text()));
        assert_eq!(seen.field("stack"), Some("auth0"), "{message}");
        assert_eq!(seen.field("endpoint"), Some("GET /users/{id}"), "{message}");
    }
}
