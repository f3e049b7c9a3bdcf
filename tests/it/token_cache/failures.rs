//! Failures of the token endpoint: the callers' errors, and the cooldown.

use std::time::Duration;

use http::StatusCode;
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, ServiceExt};
use tower_heed::{
    classify::{Classification, ErrorClass},
    error::{TokenError, TokenErrorKind},
};

use crate::token_cache::support::{
    HOUR, SECOND, With, cached, call, get, no_token, settle, status, timed,
};

fn limited(wait: Duration) -> With {
    let error = TokenError::new(TokenErrorKind::RateLimited)
        .with_status(StatusCode::TOO_MANY_REQUESTS)
        .with_retry_after(wait);
    With::Error(error)
}

#[tokio::test(start_paused = true)]
async fn in_cooldown_without_a_token_the_error_comes_at_once_and_nothing_is_sent() {
    let (client, api, source) = cached();
    source.gives(Duration::ZERO, limited(60 * SECOND));
    let first = no_token(&client).await;
    let wait = first.retry_after().unwrap();
    assert!(wait >= 60 * SECOND && wait <= 66 * SECOND, "{wait:?}");
    advance(20 * SECOND).await;
    for _ in 0..100 {
        let (error, took) = timed(no_token(&client)).await;
        assert_eq!((error.kind(), took), (TokenErrorKind::RateLimited, Duration::ZERO));
        assert_eq!(error.status(), Some(StatusCode::TOO_MANY_REQUESTS));
        assert_eq!(error.retry_after(), Some(wait - 20 * SECOND), "the time that is left");
    }
    assert_eq!((source.calls(), api.seen()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn in_cooldown_without_a_token_exactly_one_fetch_begins_when_it_ends() {
    let (client, _, source) = cached();
    source.gives(Duration::ZERO, limited(60 * SECOND));
    let wait = no_token(&client).await.retry_after().unwrap();
    advance(wait - Duration::from_millis(1)).await;
    no_token(&client).await;
    assert_eq!(source.calls(), 1, "never one millisecond earlier than the server asked");
    advance(Duration::from_millis(1)).await;
    source.gives(SECOND, With::Lifetime(HOUR));
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { status(&client).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert_eq!(source.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn rule_23_a_cooldown_of_an_hour_with_a_usable_token_affects_no_caller() {
    let (client, api, source) = cached();
    source.gives(Duration::ZERO, With::Lifetime(8000 * SECOND));
    assert_eq!(status(&client).await, 200);
    // An hour before the end, a refresh is due and is rejected for an hour.
    advance(7250 * SECOND).await;
    source.gives(Duration::ZERO, limited(HOUR));
    assert_eq!(status(&client).await, 200);
    settle().await;
    assert_eq!(source.calls(), 2);
    for _ in 0..74 {
        advance(10 * SECOND).await;
        let (status, took) = timed(status(&client)).await;
        assert_eq!((status, took), (200, Duration::ZERO));
    }
    assert!(api.tokens().iter().all(|token| token == "token-1"));
    // At its end callers fail, and no request goes out without a token.
    let seen = api.seen();
    advance(20 * SECOND).await;
    assert_eq!(no_token(&client).await.kind(), TokenErrorKind::RateLimited);
    assert_eq!((api.seen(), source.calls()), (seen, 2));
}

/// A token of a day is refreshed in its last hour at the earliest; the issuer then says `Retry-After: 3600`.
#[tokio::test(start_paused = true)]
async fn rule_22_a_429_for_an_hour_with_a_good_token_costs_no_exchange_and_no_caller_in_that_hour()
{
    let (client, api, source) = cached();
    source.gives(Duration::ZERO, With::Lifetime(24 * HOUR));
    assert_eq!(status(&client).await, 200);
    // 22:59:30 is the latest point at which the refresh is due, by the jitter.
    advance(23 * HOUR - 30 * SECOND).await;
    source.gives(Duration::ZERO, limited(HOUR));
    assert_eq!(status(&client).await, 200);
    settle().await;
    assert_eq!(source.calls(), 2, "the refresh that was rejected");
    let rejected_at = Instant::now();
    while Instant::now() < rejected_at + HOUR {
        advance(SECOND).await;
        let (status, took) = timed(status(&client)).await;
        assert_eq!((status, took), (200, Duration::ZERO));
    }
    assert_eq!((source.calls(), api.seen()), (2, 2 + 3600), "an hour later");
    assert!(api.tokens().iter().all(|token| token == "token-1"));
    // 30 s are left, and as much is added to the hour at most: at the token's end one exchange is made.
    advance(30 * SECOND).await;
    assert_eq!(status(&client).await, 200);
    assert_eq!((source.calls(), api.tokens().last().unwrap().as_str()), (3, "token-3"));
}

#[tokio::test(start_paused = true)]
async fn rule_22_waits_double_by_the_kind_of_failure() {
    for (failure, first, last) in [
        (TokenErrorKind::RateLimited, 5.0, 300.0),
        (TokenErrorKind::Rejected, 5.0, 300.0),
        (TokenErrorKind::Malformed, 5.0, 300.0),
        (TokenErrorKind::Unavailable, 0.5, 30.0),
        (TokenErrorKind::Timeout, 0.5, 30.0),
    ] {
        let (client, _, source) = cached();
        let mut step: f64 = first;
        for calls in 1..=10 {
            source.fails(failure);
            let wait = no_token(&client).await.retry_after().unwrap();
            assert_eq!(source.calls(), calls);
            let seconds = wait.as_secs_f64();
            assert!(
                seconds >= step && seconds <= step * 1.5,
                "{failure:?}: {seconds} after {step}"
            );
            step = (step * 2.0).min(last);
            advance(wait).await;
        }
        assert_eq!(status(&client).await, 200);
        advance(HOUR).await;
        source.fails(failure);
        let wait = no_token(&client).await.retry_after().unwrap().as_secs_f64();
        assert!(wait <= first * 1.5, "a success begins anew: {wait}");
    }
}

#[tokio::test(start_paused = true)]
async fn rule_22_two_caches_do_not_come_back_at_the_same_moment() {
    let mut waits = Vec::new();
    for _ in 0..10 {
        let (client, _, source) = cached();
        source.gives(Duration::ZERO, limited(60 * SECOND));
        waits.push(no_token(&client).await.retry_after().unwrap());
    }
    waits.sort();
    waits.dedup();
    assert!(waits.len() > 5, "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn rule_22_the_error_of_another_source_is_classed() {
    let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    let late = std::io::Error::from(std::io::ErrorKind::TimedOut);
    for (error, failure) in [
        (TokenError::of_source(refused), TokenErrorKind::Unavailable),
        (TokenError::of_source(late), TokenErrorKind::Timeout),
        (TokenError::of_source("anything"), TokenErrorKind::Unavailable),
        (
            TokenError::of_source(std::io::Error::other(TokenError::new(
                TokenErrorKind::Malformed,
            ))),
            TokenErrorKind::Malformed,
        ),
    ] {
        let (client, _, source) = cached();
        source.gives(Duration::ZERO, With::Error(error));
        assert_eq!(no_token(&client).await.kind(), failure);
    }
}

#[tokio::test(start_paused = true)]
async fn rule_25_a_429_of_the_api_causes_no_token_call() {
    let (client, api, source) = cached();
    assert_eq!(status(&client).await, 200);
    for _ in 0..5 {
        api.respond(
            429,
            &[("retry-after", "1"), ("www-authenticate", "Bearer error=\"invalid_token\"")],
        );
        assert_eq!(status(&client).await, 429);
        sleep(SECOND).await;
    }
    assert_eq!((source.calls(), api.seen()), (1, 6));
}

#[tokio::test(start_paused = true)]
async fn the_error_is_token_unavailable_with_its_cause_and_wait() {
    let (client, _, source) = cached();
    source.gives(Duration::ZERO, limited(60 * SECOND));
    let error = call(&client).await.unwrap_err();
    let found = Classification::of_error(error.as_ref()).unwrap();
    assert_eq!(found.class(), ErrorClass::TokenUnavailable);
    assert_eq!(found.cause(), Some(ErrorClass::RateLimited));
    assert!(found.retry_after().unwrap() >= 60 * SECOND);
    assert_eq!(found.status(), Some(StatusCode::TOO_MANY_REQUESTS));
}

#[tokio::test(start_paused = true)]
async fn a_suspended_machine_is_in_cooldown_no_longer_than_the_issuer_said() {
    let wall = crate::token_cache::support::Wall::new();
    let (source, api) = Default::default();
    let client = crate::token_cache::support::layer(&source).clock(wall.clock()).layer(api);
    source.gives(Duration::ZERO, limited(HOUR));
    let start = Instant::now();
    no_token(&client).await;
    wall.forward(2 * HOUR);
    assert_eq!(client.oneshot(get("/")).await.unwrap().status(), 200);
    assert_eq!(Instant::now(), start);
}
