//! As the outermost layer of the recommended stack.

use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};
use tower_heed::{
    FallbackLayer, RetryOnRateLimit, Stack, TimeoutLayer, TokenCacheLayer,
    classify::{AuthStatus, ErrorClass},
    extensions::Degraded,
    retry::RetryOutcome,
    token_cache::StaticToken,
};

use crate::support::{
    error::unavailable,
    probe::{Body, ScriptedResponse, probe},
    scripted::get,
};

fn token() -> TokenCacheLayer {
    let token = TokenCacheLayer::new(StaticToken::new("sesame").unwrap());
    token.allow_origin("https://id.example".parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_a_retry_resolves_gets_no_fallback() {
    let (probe, watch) = probe(4);
    let open = FallbackLayer::fail_open(|_| Response::new("open"));
    let mut client = Stack::new().fallback(open).token_cache(token()).service(probe);
    watch.respond(429, &[("retry-after", "2")]);
    let response = client.ready().await.unwrap().call(get("/users/1")).await.unwrap();
    assert!(response.extensions().get::<Degraded>().is_none());
    assert_eq!(response.extensions().get::<RetryOutcome>().unwrap().attempts(), 2);
    assert_eq!(watch.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_not_retried_gets_the_fallback_at_once() {
    let (probe, watch) = probe(4);
    let open = FallbackLayer::fail_open(|_| Response::new("open"));
    // The order in which the layers are given does not count.
    let mut client = Stack::new().token_cache(token()).fallback(open).service(probe);
    watch.respond(429, &[("retry-after", "3600")]);
    let start = Instant::now();
    let response = client.ready().await.unwrap().call(get("/users/1")).await.unwrap();
    assert_eq!(Instant::now(), start);
    let mark = *response.extensions().get::<Degraded>().unwrap();
    assert_eq!(mark, Degraded::new(ErrorClass::RateLimited, Some(Duration::from_secs(3_600))));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "open");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_timed_out_gets_the_fallback_and_is_no_sign_in() {
    let (probe, watch) = probe(4);
    let open = FallbackLayer::fail_open(|_| Response::new("open"));
    let classify = tower_heed::ErrorClassifyLayer::new();
    let status = classify.status();
    let mut client = Stack::new()
        .call_timeout(TimeoutLayer::new(Duration::from_secs(5)))
        .retry(RetryOnRateLimit::new().max_retries(0))
        .classify(classify)
        .fallback(open)
        .service(probe);
    watch.push(ScriptedResponse::never());
    let start = Instant::now();
    let response = client.ready().await.unwrap().call(get("/users/1")).await.unwrap();
    assert_eq!(Instant::now() - start, Duration::from_secs(5));
    assert_eq!(response.extensions().get::<Degraded>().unwrap().class(), ErrorClass::Timeout);
    assert_ne!(status.get(), AuthStatus::Active);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_too_long_for_its_permit_fails_closed() {
    let (probe, watch) = probe(4);
    let mut client = Stack::new()
        .retry(RetryOnRateLimit::new().max_retries(0))
        .fallback(FallbackLayer::fail_closed())
        .service(probe);
    watch.respond(429, &[("retry-after", "3600")]);
    for class in [ErrorClass::RateLimited, ErrorClass::Throttled] {
        let request: Request<Body> = get("/users/1");
        let error = client.ready().await.unwrap().call(request).await.map(drop).unwrap_err();
        let error = unavailable(error.as_ref());
        assert_eq!(error.class(), Some(class));
        assert_eq!(error.retry_after().unwrap().as_secs(), 3_600);
    }
    assert_eq!(watch.attempts(), 1);
}

/// What a real client says of a server that is not there.
#[cfg(feature = "hyper")]
#[tokio::test]
async fn a_failed_connection_gets_the_fallback() {
    use hyper_util::{client::legacy::Client, rt::TokioExecutor};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let http = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let get = || Request::get(&uri).body(Body::default()).unwrap();
    let open = FallbackLayer::fail_open(|_| Response::new("open")).layer(http.clone());
    let response = open.oneshot(get()).await.unwrap();
    assert_eq!(response.extensions().get::<Degraded>().unwrap().class(), ErrorClass::Connect);
    let error = FallbackLayer::fail_closed().layer(http).oneshot(get()).await.unwrap_err();
    let unavailable = unavailable(error.as_ref());
    assert_eq!(unavailable.class(), Some(ErrorClass::Connect));
    assert!(tower_heed::error::find::<hyper_util::client::legacy::Error>(unavailable).is_some());
}
