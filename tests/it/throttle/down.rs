//! A server that fails everything is not waited for; one that rejects by the rate is.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Response, response::Builder};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tower::{Layer, service_fn};
use tower_heed::{
    ErrorKind, ThrottleLayer,
    classify::{Classification, ErrorClass},
};

use super::{SECOND, send, throttled};
use crate::support::{probe::Body, scripted::get};

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Status(u16),
    /// It failed at once, because the server is down.
    Down,
    Late,
}

/// When each call began, how long it took, and what became of it: ten a second for half a minute.
async fn calls(
    server: impl Fn(Duration) -> Builder + Clone + Send + Sync + 'static,
) -> Vec<(Duration, Duration, Outcome)> {
    let start = Instant::now();
    let api = service_fn(move |_: http::Request<Body>| {
        let response = server(Instant::now() - start).body(Body::default()).unwrap();
        async move {
            sleep(Duration::from_millis(5)).await;
            Ok::<_, Infallible>(response)
        }
    });
    let client = ThrottleLayer::new().max_wait(10 * SECOND).layer(api);
    let mut calls = JoinSet::new();
    for number in 0..300 {
        let mut client = client.clone();
        calls.spawn(async move {
            sleep_until(start + number * SECOND / 10).await;
            let began = Instant::now();
            let outcome = match send(&mut client, get("/")).await {
                Ok(response) => Outcome::Status(response.status().as_u16()),
                Err(error) => {
                    let error = throttled(&error);
                    match error.kind() {
                        ErrorKind::Throttled { is_down: true, .. } => {
                            let found = Classification::of_error(error).unwrap();
                            assert_eq!(found.cause(), Some(ErrorClass::Unavailable));
                            assert!(error.retry_after().unwrap() <= 2 * SECOND / 3, "{error:?}");
                            let text = "not sent: `https://id.example` fails all requests";
                            assert!(error.to_string().starts_with(text), "{error}");
                            Outcome::Down
                        }
                        _ => Outcome::Late,
                    }
                }
            };
            (began - start, Instant::now() - began, outcome)
        });
    }
    let mut calls = calls.join_all().await;
    calls.sort_unstable_by_key(|(began, ..)| *began);
    calls
}

#[tokio::test(start_paused = true)]
async fn callers_of_a_server_that_fails_everything_fail_at_once() {
    for status in [503, 529] {
        let calls = calls(move |at| match at.as_secs() {
            5..20 => Response::builder().status(status),
            _ => Response::builder(),
        });
        for (began, took, outcome) in calls.await {
            match began.as_millis() {
                0..5_000 | 20_700.. => assert_eq!(outcome, Outcome::Status(200), "{began:?}"),
                // For two seconds it may be a limit.
                5_000..8_000 => assert!(took <= 3 * SECOND, "{began:?}: {took:?}"),
                _ => assert!(took <= SECOND / 100, "{began:?}: {took:?}"),
            }
            assert_ne!(outcome, Outcome::Late, "{began:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_to_slow_down_is_waited_for() {
    for (status, wait) in [(429, None), (503, Some("1")), (529, Some("2"))] {
        let calls = calls(move |at| match (at.as_secs(), wait) {
            (5..12, Some(wait)) => Response::builder().status(status).header("retry-after", wait),
            (5..12, None) => Response::builder().status(status),
            _ => Response::builder(),
        });
        let calls = calls.await;
        let is_down = calls.iter().any(|(.., outcome)| *outcome == Outcome::Down);
        assert!(!is_down, "{status} {wait:?}");
        let queued = calls
            .iter()
            .filter(|(_, took, outcome)| *took > 3 * SECOND && *outcome == Outcome::Status(200));
        assert!(queued.count() >= 20, "{status} {wait:?}");
    }
}

/// As nginx does by default.
#[tokio::test(start_paused = true)]
async fn a_rate_limit_that_responds_503_is_waited_for() {
    for gap in [SECOND / 5, SECOND] {
        let next = Arc::new(Mutex::new(Duration::ZERO));
        let calls = calls(move |at| {
            let mut next = next.lock().unwrap();
            if at < *next {
                return Response::builder().status(503);
            }
            *next = at + gap;
            Response::builder()
        });
        let calls = calls.await;
        let count = |wanted| calls.iter().filter(|(.., outcome)| *outcome == wanted).count() as u32;
        assert_eq!(count(Outcome::Down), 0, "{gap:?}");
        let (ok, rejected) = (count(Outcome::Status(200)), count(Outcome::Status(503)));
        println!("one per {gap:?}: {ok} accepted, {rejected} rejected");
        assert!(ok * gap >= 24 * SECOND, "{gap:?}: {ok} accepted, {rejected} rejected");
        assert!(rejected < ok, "{gap:?}: {ok} accepted, {rejected} rejected");
    }
}
