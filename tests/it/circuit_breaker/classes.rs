//! What counts as a failure, and how many it takes.

use std::{io, num::NonZeroU32};

use tower_heed::{classify::ErrorClass, error::find};

use super::*;
use crate::support::{probe::ProbeError, scripted::scripted};

#[tokio::test(start_paused = true)]
async fn five_failures_in_a_row_open_it() {
    let (layer, client, watch) = breaker();
    fail(&client, &watch, 4).await;
    assert_eq!(ended(&client, "/").await, "200");
    fail(&client, &watch, 4).await;
    assert_eq!(state(&layer), CircuitState::Closed);
    fail(&client, &watch, 1).await;
    assert_eq!(state(&layer), CircuitState::Open);
    let sent = watch.attempts();
    assert_eq!(ended(&client, "/").await, "open");
    assert_eq!(watch.attempts(), sent);
}

#[tokio::test(start_paused = true)]
async fn what_says_that_the_upstream_is_down_opens_it() {
    for status in [500, 502, 503, 504, 520, 599] {
        let (layer, client, watch) = breaker();
        for _ in 0..5 {
            watch.respond(status, &[]);
            drop(call(&client, "/").await);
        }
        assert_eq!(state(&layer), CircuitState::Open, "{status}");
    }
    for kind in
        [io::ErrorKind::ConnectionRefused, io::ErrorKind::TimedOut, io::ErrorKind::ConnectionReset]
    {
        let (layer, client, watch) = breaker();
        for _ in 0..5 {
            watch.push(ScriptedResponse::error(io::Error::from(kind)));
            drop(call(&client, "/").await);
        }
        assert_eq!(state(&layer), CircuitState::Open, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn rejections_and_limits_never_open_it() {
    for status in [200, 304, 400, 401, 403, 404, 408, 409, 422, 425, 429, 501, 505] {
        let (layer, client, watch) = breaker();
        for _ in 0..100 {
            watch.respond(status, &[("retry-after", "60")]);
            assert_eq!(ended(&client, "/").await, status.to_string());
        }
        assert!(layer.handle().snapshot().is_empty(), "{status}");
    }
    let (layer, client, watch) = breaker();
    for _ in 0..100 {
        watch.push(ScriptedResponse::error(ProbeError("of unknown meaning")));
        drop(call(&client, "/").await);
    }
    assert!(layer.handle().snapshot().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_error_says_what_happened_and_how_long_to_wait() {
    let (_, client, watch) = breaker();
    fail(&client, &watch, 5).await;
    let error = call(&client, "/").await.unwrap_err();
    let error = find::<Error>(&*error).unwrap();
    assert_eq!(error.class(), Some(ErrorClass::Throttled));
    let wait = error.retry_after().unwrap();
    assert!((5 * SECOND..=SECOND * 11 / 2).contains(&wait), "{wait:?}");
    let text = error.to_string();
    assert!(text.starts_with("not sent: the circuit of `https://id.example` is open"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_half_of_its_requests_stays_closed() {
    use std::sync::atomic::{AtomicU64, Ordering};
    let count = AtomicU64::new(1);
    let half = scripted(move |_| {
        // A linear congruential generator: a coin that is the same in each run.
        let next = count.load(Ordering::Relaxed).wrapping_mul(6_364_136_223_846_793_005);
        let next = next.wrapping_add(1_442_695_040_888_963_407);
        count.store(next, Ordering::Relaxed);
        crate::support::scripted::response(if next >> 63 == 0 { 200 } else { 503 }, &[])
    });
    let client = CircuitBreakerLayer::new().layer(half);
    let mut open = 0;
    for _ in 0..5_000 {
        open += u32::from(ended(&client, "/").await == "open");
        tokio::time::sleep(SECOND / 10).await;
    }
    // It may open once for what is one coin in ten thousand.
    assert!(open <= 60, "{open} of 5,000 rejected");
}

#[tokio::test(start_paused = true)]
async fn failures_are_forgotten() {
    let (layer, client, watch) = breaker();
    for _ in 0..24 {
        // One call an hour, to a server that is down at each of them.
        fail(&client, &watch, 1).await;
        tokio::time::sleep(3_600 * SECOND).await;
    }
    fail(&client, &watch, 4).await;
    assert_eq!(state(&layer), CircuitState::Closed);
    tokio::time::sleep(121 * SECOND).await;
    fail(&client, &watch, 4).await;
    assert_eq!(state(&layer), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn the_number_of_failures_can_be_chosen() {
    let (probe, watch) = probe(1);
    let layer = CircuitBreakerLayer::new().failures(NonZeroU32::MIN);
    let client = layer.layer(probe);
    fail(&client, &watch, 1).await;
    assert_eq!(state(&layer), CircuitState::Open);
}
