//! Stale responses while the server is down.

use std::io;

use http::Extensions;
use tokio::time::Instant;
use tower_heed::{classify::ErrorClass, clock::Clock, extensions::Degraded};

use super::*;

/// A client with a stale response to `/users/1`.
async fn stale(
    configure: impl FnOnce(ResponseCacheConfig) -> ResponseCacheConfig,
) -> (ResponseCache<Api>, Api) {
    let api = Api::new();
    let mut client = client(&with(configure), &api);
    text(&mut client, "/users/1").await;
    advance(60 * SECOND).await;
    (client, api)
}

#[tokio::test(start_paused = true)]
async fn during_a_minute_of_429_stale_responses_are_served() {
    let (client, api) = stale(|config| config).await;
    api.responds(429, &[("retry-after", "15")]);
    let begun = Instant::now();
    let mut served = 0;
    while Instant::now() - begun < 60 * SECOND {
        for _ in 0..10 {
            let got = send(&mut client.clone(), get("/users/1")).await.unwrap();
            let stale = got.stale.expect("marked");
            assert_eq!((got.status, got.body.as_str()), (200, "/users/1 1"));
            assert_eq!(stale.class(), ErrorClass::RateLimited);
            let age = 60 + (Instant::now() - begun).as_secs();
            assert_eq!((stale.age().as_secs(), got.age.unwrap()), (age, age.to_string()));
            served += 1;
        }
        advance(SECOND / 10).await;
    }
    assert_eq!(served, 6_000);
    // The first fetch, and one after each `Retry-After`.
    assert!(api.requests() <= 1 + 4, "{} requests", api.requests());
    api.responds(200, &[]);
    advance(20 * SECOND).await;
    assert_eq!(send(&mut client.clone(), get("/users/1")).await.unwrap().stale, None);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_says_nothing_about_the_resource_serves_stale() {
    for (status, class) in [
        (429, ErrorClass::RateLimited),
        (408, ErrorClass::Timeout),
        (504, ErrorClass::Timeout),
        (500, ErrorClass::Unavailable),
        (503, ErrorClass::Unavailable),
    ] {
        let (mut client, api) = stale(|config| config).await;
        api.responds(status, &[]);
        let got = send(&mut client, get("/users/1")).await.unwrap();
        assert_eq!(got.stale.expect("stale").class(), class);
        // In cooldown, the next request is not sent.
        send(&mut client, get("/users/1")).await.unwrap();
        assert_eq!(api.requests(), 2, "{status}");
    }
    let (mut client, api) = stale(|config| config).await;
    api.becomes(|_| Err(io::Error::from(io::ErrorKind::ConnectionReset).into()));
    let got = send(&mut client, get("/users/1")).await.unwrap();
    assert_eq!(got.stale.expect("stale").class(), ErrorClass::Interrupted);
    api.becomes(|_| panic!("in the client"));
    advance(5 * SECOND).await;
    let got = send(&mut client, get("/users/1")).await.unwrap();
    assert_eq!(got.stale.expect("stale").class(), ErrorClass::Interrupted);
}

#[tokio::test(start_paused = true)]
async fn a_failure_about_the_resource_is_passed_on_and_removes_the_response() {
    for status in [400, 401, 403, 404, 410, 422] {
        let (mut client, api) = stale(|config| config).await;
        api.responds(status, &[]);
        let got = send(&mut client, get("/users/1")).await.unwrap();
        assert_eq!((got.status, got.stale), (status, None));
        // It does not come back while the server is down.
        api.responds(503, &[]);
        assert_eq!(send(&mut client, get("/users/1")).await.unwrap().status, 503);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejected_credential_removes_its_own_response_alone() {
    let api = Api::new();
    let mut client = client(&layer(), &api);
    let by = |user| with_headers("/users/me", &[("authorization", user)]);
    for user in ["one", "other"] {
        send(&mut client, by(user)).await.unwrap();
    }
    advance(60 * SECOND).await;
    api.responds(401, &[]);
    assert_eq!(send(&mut client, by("one")).await.unwrap().status, 401);
    api.responds(503, &[]);
    assert_eq!(send(&mut client, by("one")).await.unwrap().status, 503);
    assert_eq!(send(&mut client, by("other")).await.unwrap().body, "/users/me 2");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_unknown_class_is_passed_on_and_removes_nothing() {
    let (mut client, api) = stale(|config| config).await;
    api.becomes(|_| Err("unknown".into()));
    let error = send(&mut client, get("/users/1")).await.unwrap_err();
    assert!(is_fetch_failed(&error));
    api.responds(503, &[]);
    assert!(send(&mut client, get("/users/1")).await.unwrap().stale.is_some());
}

#[tokio::test(start_paused = true)]
async fn stale_responses_expire() {
    let (mut client, api) = stale(|config| config.stale_for(30 * SECOND)).await;
    api.responds(503, &[]);
    advance(29 * SECOND).await;
    assert!(send(&mut client, get("/users/1")).await.unwrap().stale.is_some());
    advance(SECOND).await;
    assert_eq!(send(&mut client, get("/users/1")).await.unwrap().status, 503);

    let (mut client, api) = stale(|config| config.stale_for(Duration::ZERO)).await;
    api.responds(503, &[]);
    assert_eq!(send(&mut client, get("/users/1")).await.unwrap().status, 503);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_has_the_layers_settings_of_the_time_it_was_added() {
    let (before, after) = (Duration::ZERO, 60 * SECOND);
    let cached = |layer: ResponseCacheLayer| layer.endpoint(user(), |config| config.ttl(SECOND));
    let layer = cached(ResponseCacheLayer::new().stale_for(before)).stale_for(after);
    let api = Api::new();
    let mut client = client(&layer, &api);
    text(&mut client, "/users/1").await;
    advance(SECOND).await;
    api.responds(503, &[]);
    assert_eq!(send(&mut client, get("/users/1")).await.unwrap().status, 503);
}

#[tokio::test(start_paused = true)]
async fn must_revalidate_forbids_stale_responses() {
    let api = Api::new();
    api.responds(200, &[("cache-control", "max-age=60, must-revalidate")]);
    let mut client = client(&layer(), &api);
    send(&mut client, get("/users/1")).await.unwrap();
    advance(60 * SECOND).await;
    api.responds(503, &[]);
    assert_eq!(send(&mut client, get("/users/1")).await.unwrap().status, 503);
}

/// The first call waits for a second, later ones do not wait, and the fetch continues.
#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_delays_no_call_beyond_stale_wait() {
    let layer = layer();
    let api = Api::new();
    text(&mut client(&layer, &api), "/users/1").await;
    advance(60 * SECOND).await;
    let api = api.taking(20 * SECOND);
    let mut slow = client(&layer, &api);
    let begun = Instant::now();
    let first = send(&mut slow, get("/users/1")).await.unwrap();
    assert_eq!(first.stale.unwrap().class(), ErrorClass::Timeout);
    assert_eq!(Instant::now() - begun, SECOND);
    for _ in 0..5 {
        assert!(send(&mut slow, get("/users/1")).await.unwrap().stale.is_some());
    }
    assert_eq!(Instant::now() - begun, SECOND);
    sleep(20 * SECOND).await;
    let fresh = send(&mut slow, get("/users/1")).await.unwrap();
    assert_eq!((fresh.stale, fresh.body.as_str(), api.requests()), (None, "/users/1 2", 2));
}

#[tokio::test(start_paused = true)]
async fn without_stale_wait_the_refresh_is_in_the_background() {
    let (mut client, api) = stale(|config| config.stale_wait(Duration::ZERO)).await;
    assert_eq!(text(&mut client, "/users/1").await, "/users/1 1");
    sleep(SECOND / 100).await;
    assert_eq!(text(&mut client, "/users/1").await, "/users/1 2");
    assert_eq!(api.requests(), 2);
}

/// Without `max-stale`, a request with `max-age` accepts no stale response (RFC 9111 section 5.2.1.1).
#[tokio::test(start_paused = true)]
async fn a_request_that_demands_freshness_gets_no_stale_response() {
    let (mut client, api) = stale(|config| config).await;
    api.responds(503, &[]);
    for directive in ["no-cache", "max-age=100", "min-fresh=1"] {
        let request = with_headers("/users/1", &[("cache-control", directive)]);
        assert_eq!(send(&mut client, request).await.unwrap().status, 503, "{directive}");
    }
    assert!(send(&mut client, get("/users/1")).await.unwrap().stale.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_date_is_compared_with_the_clock() {
    let newyear = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let api = Api::new();
    let layer = with(|config| config).clock(Clock::starting_at(newyear));
    let mut client = client(&layer, &api);
    text(&mut client, "/users/1").await;
    advance(60 * SECOND).await;
    api.responds(503, &[("retry-after", "Sun, 06 Nov 1994 08:51:37 GMT")]);
    for _ in 0..60 {
        assert!(send(&mut client, get("/users/1")).await.unwrap().stale.is_some());
        advance(SECOND).await;
    }
    assert_eq!(api.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_fresh_response_carries_no_extension() {
    let api = Api::new();
    let mut client = client(&layer(), &api);
    text(&mut client, "/users/1").await;
    let hit = client.ready().await.unwrap().call(get("/users/1")).await.unwrap();
    let none: &Extensions = hit.extensions();
    assert!(none.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_degraded_response_is_not_stored_and_a_stale_one_is_preferred() {
    let degraded = |_: &Request<Body>| {
        let mut response = response(200, &[]);
        let wait = Some(5 * SECOND);
        response.extensions_mut().insert(Degraded::new(ErrorClass::Unavailable, wait));
        Ok(response)
    };
    let (mut client, api) = stale(|config| config).await;
    api.becomes(degraded);
    for _ in 0..2 {
        let got = send(&mut client, get("/users/1")).await.unwrap();
        assert_eq!(got.stale.expect("stale").class(), ErrorClass::Unavailable);
    }
    assert_eq!(api.requests(), 2, "not before its `retry_after`");
    // Without a stored response the degraded one is passed on, and the next request is sent.
    for _ in 0..2 {
        let response = client.ready().await.unwrap().call(get("/users/2")).await.unwrap();
        assert!(response.extensions().get::<Degraded>().is_some());
    }
    api.responds(200, &[]);
    let response = client.ready().await.unwrap().call(get("/users/2")).await.unwrap();
    assert!(response.extensions().get::<Degraded>().is_none());
}
