//! One endpoint of all layers.

use std::time::{Duration, SystemTime};

use http::{Request, Response};
use tokio::time::Instant;
use tower::{Service, ServiceExt};
use tower_heed::{
    BoxError, Error, FallbackLayer, RetryOnRateLimit, Stack, ThrottleLayer, clock::Clock,
    error::find, extensions::Priority, fallback::FallbackConfig, retry::RetryOutcome,
    stack::EndpointConfig, test_util::ScriptedResponse,
};

use crate::support::{
    events::Events,
    probe::{Body, probe},
};

async fn send<S>(client: &mut S, request: Request<Body>) -> Result<S::Response, BoxError>
where
    S: Service<Request<Body>, Error = BoxError>,
{
    client.ready().await?.call(request).await
}

fn post(path: &str) -> Request<Body> {
    Request::post(format!("https://id.example{path}")).body(Body::default()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_set_for_all_layers_at_once() {
    let (probe, watch) = probe(4);
    let mut client = Stack::new()
        .endpoint("POST /events".parse().unwrap(), |endpoint| {
            endpoint.timeout(Duration::from_secs(3)).idempotent().max_retries(1).throttle_exempt()
        })
        .service(probe);

    // What may be sent again after any failure is, and once.
    watch.respond(500, &[]);
    watch.respond(500, &[]);
    let response = send(&mut client, post("/events")).await.unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(response.extensions().get::<RetryOutcome>().unwrap().attempts(), 2);

    watch.push(ScriptedResponse::never());
    let start = Instant::now();
    let Err(error) = send(&mut client, post("/events")).await else { panic!("a success") };
    assert_eq!(Instant::now() - start, Duration::from_secs(3));
    let elapsed = find::<Error>(error.as_ref()).unwrap();
    assert_eq!(elapsed.endpoint(), Some("POST /events"));

    // Another endpoint has none of it.
    watch.respond(500, &[]);
    let response = send(&mut client, post("/others")).await.unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(response.extensions().get::<RetryOutcome>().unwrap().attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_starts_from_the_layers_whatever_the_order() {
    let endpoint = |stack: Stack| {
        let pattern = "GET /users/1".parse().unwrap();
        stack.endpoint(pattern, |endpoint| endpoint.retry(|config| config.idempotent()))
    };
    let layers = |stack: Stack| stack.retry(RetryOnRateLimit::new().max_retries(2));
    for stack in [layers(endpoint(Stack::new())), endpoint(layers(Stack::new()))] {
        let (probe, watch) = probe(4);
        let mut client = stack.service(probe);
        for _ in 0..9 {
            watch.respond(429, &[("retry-after", "1")]);
        }
        let get = Request::get("https://id.example/users/1").body(Body::default()).unwrap();
        let response = send(&mut client, get).await.unwrap();
        assert_eq!(response.extensions().get::<RetryOutcome>().unwrap().attempts(), 3);
    }
}

/// Patterns for `GET /authz/check` that are as wide as `/authz/{path}`, or narrower.
const NARROWER: [&str; 4] =
    ["/authz/{path}", "/authz/{name}", "GET /authz/{path}", "GET /authz/check"];

fn check() -> Request<Body> {
    Request::get("https://id.example/authz/check").body(Body::default()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_of_the_stack_does_not_open_what_its_layer_closes() {
    for pattern in NARROWER {
        let wide = "/authz/{path}".parse().unwrap();
        let fallback = FallbackLayer::fail_open(|_| Response::new("open"))
            .endpoint(wide, |config| config.fail_closed());
        let stack =
            Stack::new().fallback(fallback).endpoint(pattern.parse().unwrap(), |endpoint| {
                endpoint.timeout(Duration::from_secs(9)).max_retries(0)
            });
        let (probe, watch) = probe(4);
        watch.respond(500, &[]);
        let Err(error) = send(&mut stack.service(probe), check()).await else {
            panic!("fails open at {pattern}")
        };
        let error = find::<Error>(error.as_ref()).unwrap();
        assert_eq!(error.endpoint(), Some(pattern));
    }
}

#[tokio::test(start_paused = true)]
async fn the_order_of_two_endpoints_does_not_matter() {
    let wide = |stack: Stack| {
        stack.endpoint("/authz/{*path}".parse().unwrap(), |endpoint| {
            endpoint.fallback(FallbackConfig::fail_closed).max_retries(0)
        })
    };
    let narrow = |stack: Stack| {
        let pattern = "GET /authz/check".parse().unwrap();
        stack.endpoint(pattern, |endpoint| endpoint.timeout(Duration::from_secs(9)))
    };
    let stack = Stack::new().fallback(FallbackLayer::fail_open(|_| Response::new("open")));
    for stack in [wide(narrow(stack.clone())), narrow(wide(stack))] {
        let (probe, watch) = probe(4);
        watch.respond(500, &[]);
        assert!(send(&mut stack.service(probe), check()).await.is_err());
        assert_eq!(watch.attempts(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_of_the_stack_attaches_no_token_where_its_layer_does_not() {
    for pattern in NARROWER {
        let wide = "/authz/{path}".parse().unwrap();
        let tokens = super::tokens().endpoint(wide, |config| config.without_token());
        let stack =
            Stack::new().token_cache(tokens).endpoint(pattern.parse().unwrap(), |endpoint| {
                endpoint.timeout(Duration::from_secs(9))
            });
        let (probe, watch) = probe(4);
        send(&mut stack.service(probe), check()).await.unwrap();
        let request = watch.take_requests().remove(0);
        assert_eq!(request.headers().get("authorization"), None, "{pattern}");
    }
}

#[tokio::test(start_paused = true)]
async fn settings_for_an_absent_layer_are_warned_of_once() {
    const MESSAGE: &str = "endpoint settings without effect: the stack does not have their layer";
    let events = Events::record();
    let stack = Stack::new()
        .name("id")
        .endpoint("/users/{id}".parse().unwrap(), |endpoint| {
            endpoint.fallback(FallbackConfig::fail_closed).without_token().max_retries(1)
        })
        .endpoint("GET /export".parse().unwrap(), EndpointConfig::without_token);
    drop(stack.service(probe(4).0));
    let warnings = events.named(MESSAGE);
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].level, tracing::Level::WARN);
    assert_eq!(warnings[0].field("stack"), Some("id"));
    assert_eq!(
        warnings[0].field("settings"),
        Some(
            "fallback of `/users/{id}`, token_cache of `/users/{id}`, token_cache of `GET /export`"
        )
    );

    let complete = stack.fallback(FallbackLayer::fail_closed()).token_cache(super::tokens());
    drop(complete.service(probe(4).0));
    assert_eq!(events.named(MESSAGE).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_clock_of_a_stack_is_that_of_its_layers() {
    let newyear = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    let clock = Clock::from_system_time(move || newyear);
    for stack in [
        Stack::new().clock(clock.clone()).retry(RetryOnRateLimit::new()),
        Stack::new().retry(RetryOnRateLimit::new()).clock(clock),
    ] {
        let (probe, watch) = probe(4);
        watch.respond(429, &[("retry-after", "Thu, 01 Jan 2026 00:00:07 GMT")]);
        let start = Instant::now();
        let response = send(&mut stack.service(probe), check()).await.unwrap();
        assert_eq!(response.status(), 200);
        let waited = Instant::now() - start;
        assert!(Duration::from_secs(7) <= waited && waited < Duration::from_secs(15), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn settings_of_an_endpoint_that_is_given_twice_add_up() {
    let (probe, watch) = probe(4);
    let mut client = Stack::new()
        .endpoint("/users/{id}".parse().unwrap(), |endpoint| endpoint.max_retries(1).idempotent())
        .endpoint("/users/{name}".parse().unwrap(), |endpoint| {
            endpoint.retry(|config| config.max_wait(Duration::from_secs(9)))
        })
        .service(probe);
    watch.respond(500, &[]);
    watch.respond(500, &[]);
    let response = send(&mut client, post("/users/7")).await.unwrap();
    assert_eq!(response.extensions().get::<RetryOutcome>().unwrap().attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_narrower_endpoint_shares_the_quota_of_the_wider_one() {
    let throttle = ThrottleLayer::new()
        .endpoint("/search/{*path}".parse().unwrap(), |config| config.own_quota());
    let handle = throttle.handle();
    let (probe, watch) = probe(4);
    let mut client = Stack::new()
        .throttle(throttle)
        .endpoint("/search/{id}".parse().unwrap(), |endpoint| {
            endpoint.timeout(Duration::from_secs(9))
        })
        .endpoint("POST /search/all".parse().unwrap(), |endpoint| endpoint.priority(Priority::High))
        .service(probe);
    for path in ["/search/a/b", "/search/a", "/search/all"] {
        send(&mut client, post(path)).await.unwrap();
    }
    assert_eq!(watch.attempts(), 3);
    let keys: Vec<_> = handle.snapshot().iter().map(|key| key.key().to_string()).collect();
    assert_eq!(keys, ["https://id.example /search/{*path}"]);
}

#[tokio::test(start_paused = true)]
async fn the_client_inside_can_be_reached() {
    let (probe, watch) = probe(4);
    let stacks = [
        Stack::new(),
        Stack::new().token_cache(super::tokens()),
        Stack::new().token_cache(super::tokens()).fallback(FallbackLayer::fail_closed()),
    ];
    for stack in stacks {
        let mut client = stack.service(probe.clone());
        let _: (&_, &mut _) = (&client.get_ref().clone(), client.get_mut());
        client.into_inner().ready().await.unwrap().call(post("/users")).await.unwrap();
    }
    assert_eq!(watch.attempts(), 3);
}
