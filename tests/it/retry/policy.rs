//! The same decisions in tower's own `Retry`.

use std::time::Duration;

use http::Request;
use tokio::time::Instant;
use tower::{Service, ServiceBuilder, ServiceExt, retry::RetryLayer};
use tower_heed::{
    RetryOnRateLimit, TimeoutLayer,
    extensions::{Deadline, NoRetry, TokenReplaced},
    retry::{Policy, RetryOutcome, Stopped},
};

use super::api::{Api, Body, Reply, answer, api, get, outcome, post, script, stopped};

const SECOND: Duration = Duration::from_secs(1);

async fn send(layer: RetryOnRateLimit, api: &Api, request: Request<Body>) -> Reply {
    let retry = RetryLayer::new(Policy::from(layer));
    ServiceBuilder::new().layer(retry).service(api.clone()).oneshot(request).await
}

#[tokio::test(start_paused = true)]
async fn it_waits_as_told_and_says_what_became_of_the_call() {
    let api = script(&[(429, &[("retry-after", "7")]), (503, &[("retry-after", "3")])]);
    let response = send(RetryOnRateLimit::new(), &api, post()).await.unwrap();
    assert_eq!((response.status().as_u16(), outcome(&response).attempts()), (200, 3));
    assert!((SECOND * 7..=SECOND * 8).contains(&api.gaps()[0]), "{:?}", api.gaps());
    assert!((SECOND * 3..=SECOND * 5).contains(&api.gaps()[1]), "{:?}", api.gaps());
    let sends = api.sends();
    let attempts: Vec<Option<u32>> = sends.iter().map(|sent| sent.attempt).collect();
    assert_eq!(attempts, [None, Some(1), Some(2)]);
    assert!(sends.iter().all(|sent| sent.body.as_deref() == Ok(b"sent")));
}

#[tokio::test(start_paused = true)]
async fn it_stops_where_the_layer_stops() {
    let start = Instant::now();
    let refusing = || api(|_| answer(429, &[("retry-after", "7")]));

    let api = refusing();
    let response = send(RetryOnRateLimit::new().max_wait(SECOND), &api, get()).await.unwrap();
    assert_eq!((api.count(), stopped(&response)), (1, Stopped::MaxWait));

    let api = refusing();
    let mut request = get();
    request.extensions_mut().insert(Deadline::at(start + SECOND * 5));
    let response = send(RetryOnRateLimit::new(), &api, request).await.unwrap();
    assert_eq!((api.count(), stopped(&response)), (1, Stopped::Deadline));

    let api = script(&[(500, &[])]);
    let response = send(RetryOnRateLimit::new(), &api, post()).await.unwrap();
    assert_eq!((api.count(), stopped(&response)), (1, Stopped::NotRepeatable));
    assert_eq!(Instant::now(), start);

    let api = refusing();
    let response = send(RetryOnRateLimit::new().max_retries(2), &api, get()).await.unwrap();
    assert_eq!((api.count(), stopped(&response)), (3, Stopped::MaxRetries));
}

/// The policy of a service is cloned for each call; what it noted for one must not reach the next.
#[tokio::test(start_paused = true)]
async fn the_deadline_of_one_call_is_not_that_of_the_next() {
    let api = script(&[(429, &[("retry-after", "7")]), (429, &[("retry-after", "7")])]);
    let retry = RetryLayer::new(Policy::from(RetryOnRateLimit::new()));
    let mut client = ServiceBuilder::new()
        .layer(TimeoutLayer::new(SECOND * 60))
        .layer(retry)
        .service(api.clone());
    let mut hurried = get();
    hurried.extensions_mut().insert(Deadline::at(Instant::now() + SECOND));
    for (request, status) in [(hurried, 429), (get(), 200)] {
        let ready = ServiceExt::<Request<Body>>::ready(&mut client).await.unwrap();
        assert_eq!(ready.call(request).await.unwrap().status(), status);
    }
}

#[tokio::test(start_paused = true)]
async fn what_it_may_not_send_twice_it_does_not_look_at() {
    let api = script(&[(429, &[])]);
    let mut request = get();
    request.extensions_mut().insert(NoRetry);
    let response = send(RetryOnRateLimit::new(), &api, request).await.unwrap();
    assert_eq!((response.status().as_u16(), api.count()), (429, 1));
    assert!(response.extensions().get::<RetryOutcome>().is_none());

    let api = script(&[(429, &[])]);
    let response = send(RetryOnRateLimit::new().max_retries(0), &api, get()).await.unwrap();
    assert_eq!((response.status().as_u16(), api.count()), (429, 1));
}

#[tokio::test(start_paused = true)]
async fn a_replaced_token_is_worth_one_attempt_at_once() {
    let start = Instant::now();
    let api = api(|_| {
        let mut response = answer(401, &[])?;
        response.extensions_mut().insert(TokenReplaced);
        Ok(response)
    });
    let response = send(RetryOnRateLimit::new(), &api, get()).await.unwrap();
    assert_eq!((api.count(), stopped(&response)), (2, Stopped::Final));
    assert_eq!(Instant::now(), start);
}
