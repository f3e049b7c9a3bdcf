//! A server that rate limits everything for a while, and more callers than it lets through.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use http::Response;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tower::{ServiceBuilder, service_fn};
use tower_heed::{BoxError, ThrottleLayer, TimeoutLayer};

use super::{SECOND, send};
use crate::support::{probe::Body, scripted::get};

/// How many calls succeeded of those that began in each ten seconds, one after each `gap`. A call has `limit`, and the server responds
/// after 50 ms with what `server` returns for the time since the start.
async fn run(
    gap: Duration,
    seconds: u32,
    limit: Duration,
    server: impl Fn(Duration) -> http::response::Builder + Clone + Send + Sync + 'static,
) -> Vec<u32> {
    let start = Instant::now();
    let api = service_fn(move |_: http::Request<Body>| {
        let response = server(Instant::now() - start).body(Body::default()).unwrap();
        async move {
            sleep(Duration::from_millis(50)).await;
            Ok::<_, Infallible>(response)
        }
    });
    let client = ServiceBuilder::new()
        .layer(TimeoutLayer::new(limit))
        .layer(ThrottleLayer::new())
        .service(api);
    let good: Arc<[AtomicU32]> = (0..seconds / 10).map(|_| AtomicU32::new(0)).collect();
    let mut calls = JoinSet::new();
    for call in 0.. {
        let at = call * gap;
        if at >= seconds * SECOND {
            break;
        }
        sleep_until(start + at).await;
        let (mut client, good) = (client.clone(), Arc::clone(&good));
        calls.spawn(async move {
            let called: Result<_, BoxError> = send(&mut client, get("/")).await;
            let is_good = called.is_ok_and(|response| response.status() == 200);
            good[at.as_secs() as usize / 10].fetch_add(u32::from(is_good), Ordering::Relaxed);
        });
    }
    while calls.join_next().await.is_some() {}
    good.iter().map(|good| good.load(Ordering::Relaxed)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_closed_for_a_minute_is_soon_used_as_before() {
    // Mistaking it for one that very many share would send hardly one request in 15 seconds for the rest of an hour.
    for per_second in [1, 10] {
        for wait in ["1", "10"] {
            let good =
                run(SECOND / per_second, 400, 30 * SECOND, move |time| match time.as_secs() {
                    30..90 => Response::builder().status(429).header("retry-after", wait),
                    _ => Response::builder(),
                });
            let good = good.await;
            assert_eq!(
                good[..3],
                [10 * per_second; 3],
                "{per_second}/s, asked for {wait}: {good:?}"
            );
            // From two minutes after the outage on.
            assert!(good[21..].iter().all(|good| *good >= 6 * per_second), "{wait}: {good:?}");
            assert!(good[35..].iter().all(|good| *good >= 9 * per_second), "{wait}: {good:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_closed_for_seconds_is_used_as_before() {
    // Mistaking it for one that many share would halve the pace for minutes, after three or four 429s in a row.
    for per_ten_seconds in [5, 10, 100] {
        for closed in [3, 5, 8] {
            let gap = 10 * SECOND / per_ten_seconds;
            let good = run(gap, 400, 30 * SECOND, move |time| match time.as_secs() % 270 {
                second if (30..30 + closed).contains(&second) => {
                    Response::builder().status(429).header("retry-after", "1")
                }
                _ => Response::builder(),
            });
            let good = good.await;
            // From 20 seconds after each outage on.
            for (from, to) in [(6, 30), (33, 40)] {
                let sum: u32 = good[from..to].iter().sum();
                let all = per_ten_seconds * (to - from) as u32;
                assert!(sum * 10 >= all * 9, "{per_ten_seconds} in 10 s, {closed} s: {good:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_permit_is_not_spent_on_a_request_without_time_for_its_response() {
    // The requests at the head of a queue that is too long have waited nearly to their deadlines. Sent just before them, none would get
    // its response.
    let accepted = Arc::new(AtomicU32::new(0));
    let (count, last) = (Arc::clone(&accepted), Arc::new(Mutex::new(None::<Duration>)));
    let good = run(SECOND / 10, 120, 5 * SECOND, move |time| {
        let mut last = last.lock().unwrap();
        if last.is_some_and(|last| time < last + SECOND / 2) {
            return Response::builder().status(429);
        }
        *last = Some(time);
        count.fetch_add(1, Ordering::Relaxed);
        Response::builder()
    });
    let (good, accepted) = (good.await.iter().sum::<u32>(), accepted.load(Ordering::Relaxed));
    assert!(accepted > 100 && good * 10 >= accepted * 9, "{good} of {accepted}");
}
