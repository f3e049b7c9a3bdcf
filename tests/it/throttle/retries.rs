//! With `RetryOnRateLimit` outside: no wait happens twice, and no request jumps the queue.

use std::time::Duration;

use tokio::time::{Instant, advance};
use tower::{Layer, Service, ServiceExt};
use tower_heed::{
    ErrorClassifyLayer, RetryOnRateLimit, ThrottleLayer,
    error::find,
    extensions::Deadline,
    retry::{Backoff, RetryOutcome},
};

use super::{SECOND, is_throttled, millis, paths, rate_limit, send, spawn};
use crate::support::{
    probe::{ScriptedResponse, probe},
    scripted::get,
};

fn retry() -> RetryOnRateLimit {
    let backoff = Backoff::exponential(Duration::from_millis(100), SECOND).unwrap();
    RetryOnRateLimit::new().backoff(backoff.jitter_ratio(0.0))
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_waited_for_once() {
    for headers in [
        &[("retry-after", "7")][..],
        &[("ratelimit-limit", "5"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "7")],
    ] {
        let (probe, watch) = probe(4);
        let mut client = retry().layer(ThrottleLayer::new().layer(probe));
        watch.respond(429, headers);
        let start = Instant::now();
        let response = send(&mut client, get("/")).await.unwrap();
        assert_eq!(response.status(), 200);
        assert!((7_000..7_500).contains(&millis(start)), "{headers:?}: {} ms", millis(start));
        assert_eq!(response.extensions().get::<RetryOutcome>().unwrap().attempts(), 2);
        assert_eq!(watch.attempts(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_became_an_error_inside_is_obeyed() {
    let (probe, watch) = probe(4);
    let classify = ErrorClassifyLayer::new().error_for_status();
    let mut client = ThrottleLayer::new().layer(classify.layer(probe));
    watch.respond(429, &[("retry-after", "10")]);
    assert!(send(&mut client, get("/")).await.is_err());
    let start = Instant::now();
    assert!(send(&mut client, get("/")).await.is_ok());
    assert!((10_000..11_000).contains(&millis(start)), "{} ms", millis(start));
}

#[tokio::test(start_paused = true)]
async fn a_throttled_request_is_retried_once_a_permit_may_come_and_sent_once() {
    let (probe, watch) = probe(4);
    let mut throttle = ThrottleLayer::new().max_wait(SECOND).layer(probe);
    rate_limit(&mut throttle, &watch).await;
    let mut client = retry().layer(throttle);
    let start = Instant::now();
    let response = send(&mut client, get("/")).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!((10_000..10_500).contains(&millis(start)), "{} ms", millis(start));
    assert_eq!(watch.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_request_within_a_deadline_fails_at_once_and_is_not_retried() {
    let (probe, watch) = probe(4);
    let mut throttle = ThrottleLayer::new().layer(probe);
    rate_limit(&mut throttle, &watch).await;
    let mut client = retry().layer(throttle);
    let mut request = get("/");
    request.extensions_mut().insert(Deadline::at(Instant::now() + 3 * SECOND));
    let start = Instant::now();
    let error = send(&mut client, request).await.unwrap_err();
    assert!(is_throttled(&error), "{error}");
    assert_eq!(millis(start), 0);
    assert_eq!(watch.attempts(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_retry_goes_to_the_end_of_the_queue() {
    let (probe, watch) = probe(4);
    let throttle = ThrottleLayer::new().layer(probe);
    let mut retried = retry().layer(throttle.clone());
    watch.respond(429, &[("retry-after", "10")]);
    let first = tokio::spawn(async move { send(&mut retried, get("/first")).await });
    tokio::task::yield_now().await;
    let others = [spawn(&throttle, get("/second")).await, spawn(&throttle, get("/third")).await];
    first.await.unwrap().unwrap();
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert_eq!(paths(&watch)[..2], ["/first", "/second"]);
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_of_a_call_names_the_wait_for_a_permit() {
    use tower_heed::{Error, ErrorKind, TimeoutLayer, error::Phase};

    let (probe, watch) = probe(4);
    let throttle = ThrottleLayer::new().layer(probe);
    watch.push(ScriptedResponse::never());
    let hangs = spawn(&throttle, get("/hangs")).await;
    let mut client = TimeoutLayer::new(5 * SECOND).layer(throttle);
    client.ready().await.unwrap();
    let mut call = tokio_test::task::spawn(client.call(get("/")));
    assert!(call.poll().is_pending());
    advance(5 * SECOND).await;
    let std::task::Poll::Ready(Err(error)) = call.poll() else { panic!("still waiting") };
    let kind = find::<Error>(error.as_ref()).unwrap().kind();
    let is_timeout = matches!(kind, ErrorKind::Timeout { phase: Phase::Waiting, .. });
    assert!(is_throttled(&error) || is_timeout, "{error}");
    hangs.abort();
}
