//! What travels with a request and its responses: `NoRetry`, `Attempt`, `TokenReplaced`.

use std::time::Duration;

use http::Response;
use tokio::time::Instant;
use tower_heed::{
    RetryOnRateLimit,
    extensions::{Attempt, Deadline, NoRetry, TokenReplaced},
    retry::{RetryBudget, Stopped},
};

use super::api::{Api, Body, Reply, api, get, outcome, post, response, script, send, stopped};

#[tokio::test(start_paused = true)]
async fn a_request_marked_no_retry_is_sent_once() {
    let api = script(&[(429, &[("retry-after", "3")])]);
    let mut request = get();
    request.extensions_mut().insert(NoRetry);
    let response = send(&RetryOnRateLimit::new(), &api, request).await.unwrap();
    assert_eq!((api.count(), stopped(&response)), (1, Stopped::NoRetry));
    assert_eq!(outcome(&response).retry_after(), Some(Duration::from_secs(3)));
}

#[tokio::test(start_paused = true)]
async fn each_further_attempt_is_the_request_as_it_was_and_tells_how_many_came_before() {
    let api = script(&[(429, &[]), (503, &[("retry-after", "1")]), (429, &[])]);
    send(&RetryOnRateLimit::new(), &api, post()).await.unwrap();
    let attempts = api.attempts();
    let numbers: Vec<Option<u32>> = attempts.iter().map(|sent| sent.attempt).collect();
    assert_eq!(numbers, [None, Some(1), Some(2), Some(3)]);
    for sent in attempts {
        assert_eq!((sent.method.as_str(), sent.body.as_deref()), ("POST", Ok(&b"sent"[..])));
        assert_eq!(
            (sent.headers.len(), &sent.headers["x-kept"]),
            (1, &"as it was".parse().unwrap())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_that_a_layer_outside_has_counted_are_added() {
    let api = script(&[(429, &[]), (429, &[])]);
    let mut request = get();
    request.extensions_mut().insert(Attempt::new(4));
    send(&RetryOnRateLimit::new(), &api, request).await.unwrap();
    let numbers: Vec<_> = api.attempts().iter().map(|sent| sent.attempt).collect();
    assert_eq!(numbers, [Some(4), Some(5), Some(6)]);
}

/// A 401 whose token was replaced, as the token layer leaves it.
fn replaced() -> Reply {
    let mut response: Response<Body> = response(401, &[])?;
    response.extensions_mut().insert(TokenReplaced);
    Ok(response)
}

fn replaced_for(attempts: usize) -> Api {
    api(move |send| if send < attempts { replaced() } else { response(200, &[]) })
}

#[tokio::test(start_paused = true)]
async fn after_a_401_whose_token_was_replaced_the_request_is_sent_again_at_once() {
    let start = Instant::now();
    let api = replaced_for(1);
    let response = send(&RetryOnRateLimit::new(), &api, post()).await.unwrap();
    assert_eq!((response.status().as_u16(), Instant::now()), (200, start));
    assert_eq!((outcome(&response).attempts(), outcome(&response).waited()), (2, Duration::ZERO));
    assert_eq!(api.attempts()[1].attempt, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_second_401_is_returned() {
    let api = replaced_for(9);
    let response = send(&RetryOnRateLimit::new(), &api, get()).await.unwrap();
    assert_eq!((response.status().as_u16(), api.count()), (401, 2));
    assert_eq!((stopped(&response), outcome(&response).attempts()), (Stopped::Final, 2));
}

#[tokio::test(start_paused = true)]
async fn that_attempt_counts_neither_as_a_retry_nor_against_the_budget() {
    struct Empty;
    impl tower::retry::budget::Budget for Empty {
        fn deposit(&self) {}
        fn withdraw(&self) -> bool {
            false
        }
    }
    let api = api(|send| match send {
        0 => response(429, &[]),
        1 => replaced(),
        _ => response(429, &[]),
    });
    let layer = RetryOnRateLimit::new().max_retries(2).budget(RetryBudget::new(Empty));
    let response = send(&layer, &api, get()).await.unwrap();
    assert_eq!((response.status().as_u16(), api.count()), (429, 4));
    assert_eq!(stopped(&response), Stopped::MaxRetries);
}

#[tokio::test(start_paused = true)]
async fn the_mark_ends_no_wait_for_a_limit_and_nothing_is_sent_past_the_deadline() {
    let limited = api(|_| {
        let mut response = response(429, &[("retry-after", "86400")])?;
        response.extensions_mut().insert(TokenReplaced);
        Ok(response)
    });
    send(&RetryOnRateLimit::new(), &limited, get()).await.unwrap();
    assert_eq!(limited.count(), 1);

    let api = replaced_for(1);
    let mut request = get();
    request.extensions_mut().insert(Deadline::at(Instant::now()));
    let response = send(&RetryOnRateLimit::new(), &api, request).await.unwrap();
    assert_eq!((api.count(), stopped(&response)), (1, Stopped::Deadline));

    let api = replaced_for(1);
    let mut request = get();
    request.extensions_mut().insert(NoRetry);
    let response = send(&RetryOnRateLimit::new(), &api, request).await.unwrap();
    assert_eq!((api.count(), stopped(&response)), (1, Stopped::NoRetry));
}
