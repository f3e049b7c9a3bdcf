//! With `RetryOnRateLimit` outside: no wait happens twice, and no request jumps the queue.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use http::Request;
use tokio::time::{Instant, advance};
use tower::{Layer, Service, ServiceExt};
use tower_heed::{
    BoxError, ErrorClassifyLayer, RetryOnRateLimit, Stack, ThrottleLayer,
    error::find,
    extensions::Deadline,
    retry::{Backoff, RetryOutcome},
};

use super::{SECOND, is_throttled, millis, paths, rate_limit, send, spawn};
use crate::support::{
    probe::{Body, Probe, ScriptedResponse, probe},
    scripted::{get, response, scripted},
    sim::Chance,
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
    let mut throttle = ThrottleLayer::new().layer(probe);
    rate_limit(&mut throttle, &watch).await;
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

#[tokio::test(start_paused = true)]
async fn a_bare_429_is_waited_out_by_the_throttle_alone() {
    let (probe, watch) = probe(4);
    let mut client = RetryOnRateLimit::new().layer(ThrottleLayer::new().layer(probe));
    // More than the retries allow, all within the time of the first backoff.
    for _ in 0..8 {
        watch.respond(429, &[]);
    }
    let start = Instant::now();
    assert_eq!(send(&mut client, get("/")).await.unwrap().status(), 200);
    assert_eq!(watch.attempts(), 9);
    assert!(millis(start) < 2_000, "{} ms", millis(start));
}

/// Calls to a server that rejects three in ten at random, and asks each of these to wait for five seconds.
async fn named_waits<S>(client: impl FnOnce(Probe) -> S, name: &str)
where
    S: Service<Request<Body>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: Send,
{
    const WAIT: Duration = Duration::from_secs(5);
    let start = Instant::now();
    let holds = Arc::new(Mutex::new((HashMap::new(), 0_u32, 0_u32)));
    let server = {
        let (holds, chance) = (Arc::clone(&holds), Mutex::new(Chance::new(1)));
        scripted(move |request| {
            let call = request.headers()["x-call"].clone();
            let now = Instant::now();
            let (until, early, meanwhile) = &mut *holds.lock().unwrap();
            *early += u32::from(until.get(&call).is_some_and(|until| now < *until));
            *meanwhile +=
                u32::from(until.iter().any(|(other, until)| *other != call && now < *until));
            if chance.lock().unwrap().between(0, 9) > 2 {
                return response(200, &[]);
            }
            // So that it is found that the rate does not explain it.
            if now < start + 60 * SECOND {
                return response(429, &[]);
            }
            until.insert(call, now + WAIT);
            response(429, &[("retry-after", "5")])
        })
    };
    let client = client(server.permits(10_000));
    let mut calls = Vec::new();
    for number in 0..2_400_u32 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut request = get("/users");
        request.headers_mut().insert("x-call", number.into());
        let mut client = client.clone();
        calls.push(tokio::spawn(async move { drop(send(&mut client, request).await) }));
    }
    for call in calls {
        call.await.unwrap();
    }
    let (_, early, meanwhile) = &*holds.lock().unwrap();
    assert_eq!(*early, 0, "{name}: attempts before the named wait of their call");
    assert!(*meanwhile > 200, "{name}: {meanwhile} attempts of others while one waits");
}

#[tokio::test(start_paused = true)]
async fn a_named_wait_holds_its_own_call_although_it_holds_no_other() {
    let layers = |probe| RetryOnRateLimit::new().layer(ThrottleLayer::new().layer(probe));
    named_waits(layers, "retry and throttle").await;
    named_waits(|probe| Stack::new().service(probe), "the stack").await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_always_rejected_makes_few_attempts_while_others_succeed() {
    for (max_retries, most) in [(0, 1), (1, 9), (5, 41)] {
        let poisoned = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&poisoned);
        let server = scripted(move |request| {
            if !request.headers().contains_key("x-poison") {
                return response(200, &[]);
            }
            count.fetch_add(1, Ordering::Relaxed);
            response(429, &[])
        });
        let throttle = ThrottleLayer::new().layer(server.permits(1_000));
        let client = RetryOnRateLimit::new().max_retries(max_retries).layer(throttle);
        let mut poison = get("/users");
        poison.headers_mut().insert("x-poison", 1.into());
        let mut caller = client.clone();
        let poison = tokio::spawn(async move { send(&mut caller, poison).await });
        let mut others = Vec::new();
        for _ in 0..4_000 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let mut client = client.clone();
            others.push(tokio::spawn(async move { send(&mut client, get("/users")).await }));
        }
        assert!(poison.is_finished(), "{max_retries} retries take longer than 80 s");
        assert_eq!(poison.await.unwrap().unwrap().status(), 429);
        let attempts = poisoned.load(Ordering::Relaxed);
        println!("{max_retries} retries: {attempts} attempts");
        assert!(attempts <= most, "{max_retries} retries: {attempts} attempts");
        others.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
