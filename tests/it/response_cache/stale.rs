//! What is served while the server refuses or is out.

use std::io;

use http::Extensions;
use tokio::time::Instant;
use tower_heed::{classify::ErrorClass, clock::Clock, extensions::Degraded};

use super::*;

/// A client with a response of `/users/1` that is stale now, and served at once while it is refreshed behind or refused.
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
async fn a_minute_of_429_gives_readers_stale_responses_and_no_errors() {
    let (client, api) = stale(|config| config).await;
    api.answers(429, &[("retry-after", "15")]);
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
    // One to have it, then one for each quarter of a minute: nobody asks before the server said.
    assert!(api.sends() <= 1 + 4, "{} requests", api.sends());
    api.answers(200, &[]);
    advance(20 * SECOND).await;
    assert_eq!(send(&mut client.clone(), get("/users/1")).await.unwrap().stale, None);
}

#[tokio::test(start_paused = true)]
async fn every_failure_that_says_nothing_about_the_resource_is_covered() {
    for (status, class) in [
        (429, ErrorClass::RateLimited),
        (408, ErrorClass::Timeout),
        (504, ErrorClass::Timeout),
        (500, ErrorClass::Unavailable),
        (503, ErrorClass::Unavailable),
    ] {
        let (mut client, api) = stale(|config| config).await;
        api.answers(status, &[]);
        let got = send(&mut client, get("/users/1")).await.unwrap();
        assert_eq!(got.stale.expect("stale").class(), class);
        // Held for a while: the next does not ask.
        send(&mut client, get("/users/1")).await.unwrap();
        assert_eq!(api.sends(), 2, "{status}");
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
async fn what_the_server_says_about_the_resource_is_passed_on_and_remembered() {
    for status in [400, 401, 403, 404, 410, 422] {
        let (mut client, api) = stale(|config| config).await;
        api.answers(status, &[]);
        let got = send(&mut client, get("/users/1")).await.unwrap();
        assert_eq!((got.status, got.stale), (status, None));
        // What was kept is gone: it does not come back with the next outage.
        api.answers(503, &[]);
        assert_eq!(send(&mut client, get("/users/1")).await.unwrap().status, 503);
    }
}

/// A credential that was revoked does not take the others' responses with it.
#[tokio::test(start_paused = true)]
async fn a_rejected_credential_loses_its_own_response_alone() {
    let api = Api::new();
    let mut client = client(&layer(), &api);
    let by = |user| with_headers("/users/me", &[("authorization", user)]);
    for user in ["one", "other"] {
        send(&mut client, by(user)).await.unwrap();
    }
    advance(60 * SECOND).await;
    api.answers(401, &[]);
    assert_eq!(send(&mut client, by("one")).await.unwrap().status, 401);
    api.answers(503, &[]);
    assert_eq!(send(&mut client, by("one")).await.unwrap().status, 503);
    assert_eq!(send(&mut client, by("other")).await.unwrap().body, "/users/me 2");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_unknown_meaning_is_passed_on_and_nothing_is_concluded() {
    let (mut client, api) = stale(|config| config).await;
    api.becomes(|_| Err("who knows".into()));
    let error = send(&mut client, get("/users/1")).await.unwrap_err();
    assert!(is_fetch_failed(&error));
    api.answers(503, &[]);
    assert!(send(&mut client, get("/users/1")).await.unwrap().stale.is_some());
}

#[tokio::test(start_paused = true)]
async fn stale_responses_have_an_end() {
    let (mut client, api) = stale(|config| config.stale_for(30 * SECOND)).await;
    api.answers(503, &[]);
    advance(29 * SECOND).await;
    assert!(send(&mut client, get("/users/1")).await.unwrap().stale.is_some());
    advance(SECOND).await;
    assert_eq!(send(&mut client, get("/users/1")).await.unwrap().status, 503);

    let (mut client, api) = stale(|config| config.stale_for(Duration::ZERO)).await;
    api.answers(503, &[]);
    assert_eq!(send(&mut client, get("/users/1")).await.unwrap().status, 503);
}

#[tokio::test(start_paused = true)]
async fn must_revalidate_forbids_them() {
    let api = Api::new();
    api.answers(200, &[("cache-control", "max-age=60, must-revalidate")]);
    let mut client = client(&layer(), &api);
    send(&mut client, get("/users/1")).await.unwrap();
    advance(60 * SECOND).await;
    api.answers(503, &[]);
    assert_eq!(send(&mut client, get("/users/1")).await.unwrap().status, 503);
}

/// The first waits for a second, those who come later not at all, and the request goes on behind.
#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_holds_nobody() {
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
    assert_eq!((fresh.stale, fresh.body.as_str(), api.sends()), (None, "/users/1 2", 2));
}

#[tokio::test(start_paused = true)]
async fn without_a_wait_it_is_refreshed_behind() {
    let (mut client, api) = stale(|config| config.stale_wait(Duration::ZERO)).await;
    assert_eq!(text(&mut client, "/users/1").await, "/users/1 1");
    sleep(SECOND / 100).await;
    assert_eq!(text(&mut client, "/users/1").await, "/users/1 2");
    assert_eq!(api.sends(), 2);
}

/// Without `max-stale`, which nobody says, a caller that bounds the age takes none that is stale (RFC 9111 section 5.2.1.1).
#[tokio::test(start_paused = true)]
async fn who_says_how_new_is_not_given_a_stale_one() {
    let (mut client, api) = stale(|config| config).await;
    api.answers(503, &[]);
    for directive in ["no-cache", "max-age=100", "min-fresh=1"] {
        let request = with_headers("/users/1", &[("cache-control", directive)]);
        assert_eq!(send(&mut client, request).await.unwrap().status, 503, "{directive}");
    }
    assert!(send(&mut client, get("/users/1")).await.unwrap().stale.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_date_to_come_back_is_read_by_the_clock() {
    let newyear = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let api = Api::new();
    let layer = with(|config| config).clock(Clock::starting_at(newyear));
    let mut client = client(&layer, &api);
    text(&mut client, "/users/1").await;
    advance(60 * SECOND).await;
    api.answers(503, &[("retry-after", "Sun, 06 Nov 1994 08:51:37 GMT")]);
    for _ in 0..60 {
        assert!(send(&mut client, get("/users/1")).await.unwrap().stale.is_some());
        advance(SECOND).await;
    }
    assert_eq!(api.sends(), 2);
}

/// The mark of a stale response is on it alone.
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
async fn an_answer_in_the_servers_place_is_not_kept_and_what_is_stale_is_better() {
    let in_its_place = |_: &Request<Body>| {
        let mut answer = answer(200, &[]);
        let wait = Some(5 * SECOND);
        answer.extensions_mut().insert(Degraded::new(ErrorClass::Unavailable, wait));
        Ok(answer)
    };
    let (mut client, api) = stale(|config| config).await;
    api.becomes(in_its_place);
    for _ in 0..2 {
        let got = send(&mut client, get("/users/1")).await.unwrap();
        assert_eq!(got.stale.expect("stale").class(), ErrorClass::Unavailable);
    }
    assert_eq!(api.sends(), 2, "not asked before it was said");
    // Where nothing is kept it is better than nothing, and no longer than for this once.
    for _ in 0..2 {
        let response = client.ready().await.unwrap().call(get("/users/2")).await.unwrap();
        assert!(response.extensions().get::<Degraded>().is_some());
    }
    api.answers(200, &[]);
    let response = client.ready().await.unwrap().call(get("/users/2")).await.unwrap();
    assert!(response.extensions().get::<Degraded>().is_none());
}
