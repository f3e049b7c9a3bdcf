//! Readiness before each attempt; the instance that was made ready is the one that is called.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::Request;
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimitLayer, util::BoxCloneService};
use tower_heed::{BoxError, RetryOnRateLimit, error::find};

use super::api::{Body, Reply, api, get, response, send};
use crate::support::probe::{ProbeError, probe};

/// A service that is ready for one attempt and then never again.
pub(super) fn ready_once(
    reply: Reply,
) -> BoxCloneService<Request<Body>, http::Response<Body>, BoxError> {
    let reply = std::sync::Mutex::new(Some(reply));
    let inner = api(move |_| reply.lock().unwrap().take().unwrap());
    BoxCloneService::new(ReadyOnce { inner, asked: Arc::new(AtomicUsize::new(0)) })
}

#[derive(Clone)]
struct ReadyOnce {
    inner: super::api::Api,
    asked: Arc<AtomicUsize>,
}

impl Service<Request<Body>> for ReadyOnce {
    type Response = http::Response<Body>;
    type Error = BoxError;
    type Future = <super::api::Api as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.asked.fetch_add(1, Ordering::SeqCst) > 0 {
            return Poll::Pending;
        }
        Service::<Request<Body>>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.inner.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn a_permit_is_taken_for_each_attempt_and_given_back_for_the_wait() {
    let (inner, watch) = probe(1);
    watch.respond(429, &[("retry-after", "2")]);
    watch.respond(429, &[("retry-after", "2")]);
    let mut client = RetryOnRateLimit::new().layer(inner);
    let mut call = task::spawn(client.ready().await.unwrap().call(get()));
    assert_pending!(call.poll());
    assert_eq!(
        (watch.attempts(), watch.in_flight(), watch.permits()),
        (1, 0, 1),
        "held while waiting"
    );
    assert_eq!(call.await.unwrap().status(), 200);
    assert_eq!((watch.attempts(), watch.unready_calls(), watch.permits()), (3, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_due_waits_until_the_service_is_ready() {
    let (inner, watch) = probe(1);
    watch.respond(429, &[("retry-after", "2")]);
    let mut client = RetryOnRateLimit::new().layer(inner);
    let mut call = task::spawn(client.ready().await.unwrap().call(get()));
    assert_pending!(call.poll());

    let mut other = watch.service();
    other.ready().await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(call.is_woken());
    assert_pending!(call.poll());
    assert_eq!(watch.attempts(), 1, "sent without a permit");

    drop(other);
    assert!(call.is_woken());
    assert_ready!(call.poll()).unwrap();
    assert_eq!((watch.attempts(), watch.unready_calls()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_before_the_second_attempt_is_passed_on() {
    let (inner, watch) = probe(1);
    watch.respond(429, &[("retry-after", "2")]);
    let mut client = RetryOnRateLimit::new().layer(inner);
    let mut call = task::spawn(client.ready().await.unwrap().call(get()));
    assert_pending!(call.poll());
    watch.break_readiness(ProbeError("broken for good"));
    let error = call.await.unwrap_err();
    assert_eq!(find::<ProbeError>(error.as_ref()), Some(&ProbeError("broken for good")));
    assert_eq!(watch.attempts(), 1);
}

/// A call that waits must not hold the one permit that all others need.
#[tokio::test(start_paused = true)]
async fn a_waiting_call_does_not_hold_up_others_under_a_concurrency_limit() {
    let start = Instant::now();
    let inner = api(|send| response(if send == 0 { 429 } else { 200 }, &[("retry-after", "30")]));
    let limited = ConcurrencyLimitLayer::new(1).layer(inner.clone());
    let client = RetryOnRateLimit::new().layer(limited);
    let waiting = tokio::spawn(client.clone().oneshot(get()));
    tokio::task::yield_now().await;
    assert_eq!(client.oneshot(get()).await.unwrap().status(), 200);
    assert_eq!((inner.count(), Instant::now()), (2, start), "held up");
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_an_attempt_may_be_anything_that_boxes() {
    let (inner, watch) = probe(1);
    watch.push(crate::support::probe::ScriptedResponse::error(ProbeError("of an attempt")));
    let error = RetryOnRateLimit::new().layer(inner).oneshot(get()).await.unwrap_err();
    assert_eq!(find::<ProbeError>(error.as_ref()), Some(&ProbeError("of an attempt")));

    let never = api(|_| response(200, &[]));
    send(&RetryOnRateLimit::new(), &never, get()).await.unwrap();
}
