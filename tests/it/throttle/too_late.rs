//! Waits end at the deadline and at `max_wait`, before anything is sent.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt};
use tower_heed::{
    Error, ErrorKind, ThrottleLayer, TimeoutLayer,
    classify::{Classification, ErrorClass},
    extensions::Deadline,
};

use super::{
    Called, SECOND, is_throttled, millis, rate_limit, rate_limited, send, spawn, throttled,
};
use crate::support::{
    probe::{Body, ScriptedResponse, probe},
    scripted::get,
};

fn within(path: &str, timeout: Duration) -> http::Request<Body> {
    let mut request = get(path);
    request.extensions_mut().insert(Deadline::at(Instant::now() + timeout));
    request
}

fn rejected(called: Called) -> Error {
    throttled(&called.unwrap_err()).clone()
}

fn waited(error: &Error) -> Duration {
    let ErrorKind::Throttled { waited, .. } = error.kind() else { panic!("{error}") };
    *waited
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_comes_after_the_deadline_is_not_waited_for() {
    let (mut client, watch) = rate_limited().await;
    let start = Instant::now();
    let error = rejected(send(&mut client, within("/", 5 * SECOND)).await);
    assert_eq!(millis(start), 0);
    assert_eq!(watch.attempts(), 0);
    assert!(
        matches!(error.kind(), ErrorKind::Throttled { key, .. } if **key == *"https://id.example")
    );
    assert_eq!(error.endpoint(), None);
    assert_eq!(waited(&error), Duration::ZERO);
    let wait = error.retry_after().unwrap();
    assert!((10 * SECOND..11 * SECOND).contains(&wait), "{wait:?}");
    assert!(
        error.to_string().starts_with("not sent: no permit in time within the limit of `https")
    );
    assert_eq!(error.class(), Some(ErrorClass::Throttled));

    let class = Classification::of_error(&error).unwrap();
    assert_eq!((class.class(), class.retry_after()), (ErrorClass::Throttled, Some(wait)));
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_comes_before_the_deadline_is_waited_for() {
    let (mut client, watch) = rate_limited().await;
    assert_eq!(send(&mut client, within("/", 12 * SECOND)).await.unwrap().status(), 200);
    assert_eq!(watch.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_comes_just_before_the_deadline_is_waited_for() {
    // The permit comes in the last tenth of the wait, and no request is ahead.
    let (mut client, watch) = rate_limited().await;
    assert_eq!(send(&mut client, within("/", SECOND * 21 / 2)).await.unwrap().status(), 200);
    assert_eq!(watch.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_while_the_service_is_made_ready_sends_nothing() {
    let (client, watch) = rate_limited().await;
    let waiting = spawn(&client, within("/", 12 * SECOND)).await;
    let mut holders = Vec::new();
    for _ in 0..4 {
        let mut holder = watch.service();
        holder.ready().await.unwrap();
        holders.push(holder);
    }
    sleep(13 * SECOND).await;
    drop(holders);
    let error = rejected(waiting.await.unwrap());
    assert_eq!(error.retry_after(), None);
    assert!(waited(&error) >= 12 * SECOND, "{:?}", waited(&error));
    assert_eq!(watch.attempts(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_comes_after_max_wait_is_not_waited_for() {
    let (probe, watch) = probe(4);
    let layer = ThrottleLayer::new()
        .max_wait(3 * SECOND)
        .endpoint("GET /patient/{id}".parse().unwrap(), |config| config.max_wait(20 * SECOND))
        .endpoint("GET /users/{id}".parse().unwrap(), |config| config);
    let mut client = layer.layer(probe);
    rate_limit(&mut client, &watch).await;
    let start = Instant::now();
    let error = rejected(send(&mut client, get("/users/1")).await);
    assert_eq!(error.endpoint(), Some("GET /users/{id}"));
    assert_eq!(millis(start), 0);
    assert_eq!(send(&mut client, get("/patient/1")).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_unknown_length_ends_at_max_wait_and_at_the_deadline() {
    let (probe, watch) = probe(4);
    let mut client = ThrottleLayer::new().max_wait(SECOND * 9 / 10).layer(probe);
    watch.respond(429, &[]);
    send(&mut client, get("/")).await.unwrap();
    watch.push(ScriptedResponse::never());
    let hangs = spawn(&client, get("/")).await;
    sleep(SECOND / 20).await;
    let start = Instant::now();
    let longest = spawn(&client, get("/")).await;
    let shorter = spawn(&client, within("/", SECOND / 2)).await;
    let error = rejected(shorter.await.unwrap());
    assert!((500..510).contains(&millis(start)), "{} ms", millis(start));
    assert_eq!(error.retry_after(), None);
    let error = rejected(longest.await.unwrap());
    assert!((900..910).contains(&millis(start)), "{} ms", millis(start));
    assert!(waited(&error) >= SECOND * 9 / 10);
    assert_eq!(watch.attempts(), 2);
    hangs.abort();
}

#[tokio::test(start_paused = true)]
async fn a_429_ends_the_waits_that_have_become_hopeless() {
    let (probe, watch) = probe(4);
    let mut client = ThrottleLayer::new().layer(probe);
    watch.push(ScriptedResponse::never());
    let hangs = spawn(&client, get("/")).await;
    let hopeless = spawn(&client, within("/", 5 * SECOND)).await;
    let patient = spawn(&client, within("/", 15 * SECOND)).await;
    sleep(SECOND).await;
    watch.respond(429, &[("retry-after", "10")]);
    let start = Instant::now();
    // The permit of the dropped call goes to the next request, which is rate limited.
    hangs.abort();
    let (hopeless, patient) = (hopeless.await.unwrap(), patient.await.unwrap());
    assert_eq!(hopeless.unwrap().status(), 429);
    assert_eq!(patient.unwrap().status(), 200);
    assert!((10_000..11_000).contains(&millis(start)), "{} ms", millis(start));

    watch.respond(429, &[("retry-after", "10")]);
    send(&mut client, get("/")).await.unwrap();
    let waits = spawn(&client, within("/", 12 * SECOND)).await;
    sleep(10 * SECOND).await;
    watch.respond(429, &[("retry-after", "60")]);
    let probe = spawn(&client, get("/")).await;
    assert_eq!(waits.await.unwrap().unwrap().status(), 429);
    probe.abort();
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_outside_is_obeyed_without_an_extension() {
    let (probe, watch) = probe(4);
    let timeout = TimeoutLayer::new(5 * SECOND);
    let mut throttle = ThrottleLayer::new().layer(probe);
    rate_limit(&mut throttle, &watch).await;
    let mut client = timeout.layer(throttle);
    let start = Instant::now();
    let error = client.ready().await.unwrap().call(get("/")).await.unwrap_err();
    assert!(is_throttled(&error), "{error}");
    assert_eq!(millis(start), 0);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_has_passed_before_the_permit_was_used_sends_nothing() {
    let (mut client, watch) = rate_limited().await;
    client.ready().await.unwrap();
    let mut call = tokio_test::task::spawn(client.call(within("/", 12 * SECOND)));
    assert!(call.poll().is_pending());
    tokio::time::advance(13 * SECOND).await;
    assert!(matches!(call.poll(), std::task::Poll::Ready(Err(_))));
    assert_eq!(watch.attempts(), 0);
}
