//! What ends a call: the number of retries, the longest wait, the deadline, the budget. The response comes back at once,
//! as it is, and says how long the server asked to wait.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use http_body_util::BodyExt;
use tokio::time::Instant;
use tower::{Layer, ServiceBuilder, ServiceExt, retry::budget::Budget};
use tower_heed::{
    BoxError, RetryOnRateLimit, TimeoutLayer,
    extensions::Deadline,
    retry::{RetryBudget, RetryConfig, Stopped},
};

use super::api::{Script, api, get, outcome, response, script, send, stopped};

const SECOND: Duration = Duration::from_secs(1);

pub(super) struct Purse(AtomicI32);

impl Budget for Purse {
    fn deposit(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn withdraw(&self) -> bool {
        self.0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| (left > 0).then(|| left - 1))
            .is_ok()
    }
}

struct Shared(Arc<Purse>);

impl Purse {
    pub(super) fn left(&self) -> i32 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Budget for Shared {
    fn deposit(&self) {
        self.0.deposit();
    }

    fn withdraw(&self) -> bool {
        self.0.withdraw()
    }
}

/// A layer with a budget of so many retries.
pub(super) fn with_purse(retries: i32) -> (RetryOnRateLimit, Arc<Purse>) {
    let purse = Arc::new(Purse(AtomicI32::new(retries)));
    (RetryOnRateLimit::new().budget(RetryBudget::new(Shared(Arc::clone(&purse)))), purse)
}

#[tokio::test(start_paused = true)]
async fn max_retries_holds_whatever_the_server_says() {
    for (max_retries, attempts) in [(0, 1), (1, 2), (3, 4)] {
        let api = api(|_| response(429, &[("retry-after", "1")]));
        let layer = RetryOnRateLimit::new().max_retries(max_retries);
        let response = send(&layer, &api, get()).await.unwrap();
        assert_eq!((api.count(), response.status().as_u16()), (attempts, 429));
        assert_eq!(stopped(&response), Stopped::MaxRetries);
        assert_eq!(outcome(&response).retry_after(), Some(SECOND));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "the response", "the response is handed back as it is");
    }
    let api = api(|_| response(429, &[]));
    send(&RetryOnRateLimit::new(), &api, get()).await.unwrap();
    assert_eq!(api.count(), 1 + RetryConfig::DEFAULT_MAX_RETRIES as usize);
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_max_wait_is_not_begun() {
    let start = Instant::now();
    let layer = RetryOnRateLimit::new().max_wait(SECOND * 10);
    let api = script(&[(429, &[("retry-after", "11")])]);
    let response = send(&layer, &api, get()).await.unwrap();
    assert_eq!((api.count(), Instant::now()), (1, start), "returned at once");
    assert_eq!(stopped(&response), Stopped::MaxWait);
    assert_eq!(outcome(&response).retry_after(), Some(SECOND * 11));

    let api = script(&[(429, &[("retry-after", "10")])]);
    assert_eq!(send(&layer, &api, get()).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_ten_to_the_thirty_is_not_begun() {
    let start = Instant::now();
    let api = script(&[(429, &[("retry-after", "1000000000000000000000000000000")])]);
    let response = send(&RetryOnRateLimit::new(), &api, get()).await.unwrap();
    assert_eq!((api.count(), Instant::now()), (1, start));
    assert_eq!(stopped(&response), Stopped::MaxWait);

    // Without a bound of ours the clamp of the parser is waited for, and nothing overflows.
    let layer = RetryOnRateLimit::new().max_wait(Duration::MAX);
    let response = send(&layer, &api, get()).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_would_pass_the_deadline_is_not_begun() {
    let start = Instant::now();
    let with_deadline = |seconds| {
        let mut request = get();
        request.extensions_mut().insert(Deadline::at(start + SECOND * seconds));
        request
    };
    let api = script(&[(429, &[("retry-after", "7")])]);
    let response = send(&RetryOnRateLimit::new(), &api, with_deadline(7)).await.unwrap();
    assert_eq!((api.count(), Instant::now()), (1, start), "returned at once");
    assert_eq!(stopped(&response), Stopped::Deadline);
    assert_eq!(outcome(&response).retry_after(), Some(SECOND * 7));

    let api = script(&[(429, &[("retry-after", "7")])]);
    let response = send(&RetryOnRateLimit::new(), &api, with_deadline(9)).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_time_limit_around_counts() {
    let start = Instant::now();
    let api = script(&[(429, &[("retry-after", "7")])]);
    let client = ServiceBuilder::new()
        .layer(TimeoutLayer::new(SECOND * 5))
        .layer(RetryOnRateLimit::new())
        .service(api.clone());
    let response = client.oneshot(get()).await.unwrap();
    assert_eq!((response.status().as_u16(), Instant::now()), (429, start));
    assert_eq!(
        response.extensions().get().map(tower_heed::retry::RetryOutcome::stopped),
        Some(Stopped::Deadline)
    );
}

/// The time limit around has to know that the call was waiting, and not a server that hung.
#[tokio::test(start_paused = true)]
async fn a_timeout_outside_knows_that_the_call_waits() {
    use tower_heed::error::Phase;

    // The wait fits into the limit; the readiness after it does not come.
    let never_again = super::readiness::ready_once(response(429, &[("retry-after", "2")]));
    let client = ServiceBuilder::new()
        .layer(TimeoutLayer::new(SECOND * 10))
        .layer(RetryOnRateLimit::new())
        .service(never_again);
    let error: BoxError = client.oneshot(get()).await.unwrap_err();
    assert_eq!(crate::support::error::timeout(error.as_ref()).1, Phase::Waiting);
}

#[tokio::test(start_paused = true)]
async fn a_spent_budget_ends_retries_after_5xx() {
    let (layer, purse) = with_purse(2);
    let layer = layer.failures(|retries| retries.max(3));
    let failing = api(|_| response(503, &[]));
    let response = send(&layer, &failing, get()).await.unwrap();
    assert_eq!((failing.count(), stopped(&response)), (3, Stopped::Budget));
    assert_eq!(purse.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_a_429_asked_for_takes_nothing_from_the_budget() {
    let (layer, purse) = with_purse(0);
    let api = script(&[(429, &[("retry-after", "1")]), (429, &[]), (403, &[("retry-after", "1")])]);
    let response = send(&layer, &api, get()).await.unwrap();
    assert_eq!((response.status().as_u16(), api.count()), (200, 4));
    assert_eq!(purse.left(), 1, "only the success has changed it");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_out_for_a_retry_that_something_else_forbids() {
    let (layer, purse) = with_purse(3);
    let layer = layer.max_retries(1).max_wait(SECOND * 10);
    let rejected: [Script; 3] =
        [&[(503, &[("retry-after", "60")])], &[(404, &[])], &[(429, &[]), (429, &[])]];
    for replies in rejected {
        let response = send(&layer, &script(replies), get()).await.unwrap();
        assert!(!response.status().is_success());
    }
    assert_eq!(purse.left(), 3);
}

#[tokio::test(start_paused = true)]
async fn services_made_by_one_layer_share_its_budget_and_clones_do_too() {
    let (layer, _) = with_purse(1);
    let failing = api(|_| response(503, &[]));
    let first = layer.layer(failing.clone());
    let second = layer.clone().max_retries(9).layer(failing.clone());
    first.clone().oneshot(get()).await.unwrap();
    let response = second.oneshot(get()).await.unwrap();
    assert_eq!((failing.count(), stopped(&response)), (3, Stopped::Budget));
}

#[tokio::test(start_paused = true)]
async fn the_default_budget_is_bounded_and_can_be_lifted() {
    let storm = async |layer: RetryOnRateLimit| {
        let failing = api(|_| response(503, &[]));
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..200 {
            let (layer, api) = (layer.clone().max_retries(1), failing.clone());
            calls.spawn(async move { drop(send(&layer, &api, get()).await) });
        }
        calls.join_all().await;
        failing.count() - 200
    };
    let retries = storm(RetryOnRateLimit::new()).await;
    assert!((1..=120).contains(&retries), "{retries} retries");
    assert_eq!(storm(RetryOnRateLimit::new().budget(RetryBudget::unlimited())).await, 200);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_starts_with_what_the_layer_was_given_and_can_change_all_of_it() {
    let layer = RetryOnRateLimit::new()
        .max_retries(2)
        .endpoint("GET /users/{id}".parse().unwrap(), |it| it.max_wait(SECOND))
        .endpoint("POST /users/{id}".parse().unwrap(), |it| it.max_retries(0));
    let of = async |request| {
        let api = api(|_| response(429, &[("retry-after", "3")]));
        let response = send(&layer, &api, request).await.unwrap();
        (api.count(), stopped(&response))
    };
    assert_eq!(of(get()).await, (1, Stopped::MaxWait));
    assert_eq!(of(super::api::post()).await, (1, Stopped::MaxRetries));
    assert_eq!(of(super::api::request(http::Method::PUT)).await, (3, Stopped::MaxRetries));
}
