//! Requests that never left: the server cannot have counted them.

use std::{
    io::{self, ErrorKind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_heed::{
    BoxError, ThrottleLayer,
    error::{TokenError, TokenErrorKind},
    throttle::ThrottleHandle,
};

use super::{SECOND, millis, only, send};
use crate::support::{probe::Body, scripted::get};

type Client = BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>;

/// A client whose first `failing` attempts fail with this error; the others succeed after 5 ms, with these headers.
fn failing(
    failing: usize,
    error: impl Fn() -> BoxError + Clone + Send + Sync + 'static,
    headers: &'static [(&'static str, &'static str)],
) -> (Client, ThrottleHandle) {
    let attempts = Arc::new(AtomicUsize::new(0));
    let server = service_fn(move |_: Request<Body>| {
        let fails = attempts.fetch_add(1, Ordering::Relaxed) < failing;
        let error = error.clone();
        async move {
            if fails {
                return Err(error());
            }
            sleep(Duration::from_millis(5)).await;
            let mut response = Response::builder();
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            Ok(response.body(Body::default())?)
        }
    });
    let layer = ThrottleLayer::new();
    let handle = layer.handle();
    (BoxCloneSyncService::new(layer.layer(server)), handle)
}

fn io(kind: ErrorKind) -> impl Fn() -> BoxError + Clone {
    move || io::Error::from(kind).into()
}

/// How long it takes to fail ten times, one after the other, and then succeed. After the failures so many are in flight or in doubt.
async fn eleven(
    in_flight: u64,
    error: impl Fn() -> BoxError + Clone + Send + Sync + 'static,
) -> u128 {
    let (mut client, handle) = failing(10, error, &[]);
    let start = Instant::now();
    for _ in 0..10 {
        send(&mut client, get("/")).await.unwrap_err();
    }
    assert_eq!(only(handle.snapshot()).in_flight(), in_flight);
    send(&mut client, get("/")).await.unwrap();
    millis(start)
}

#[tokio::test(start_paused = true)]
async fn ten_refused_connections_in_a_row_add_no_wait() {
    assert_eq!(eleven(0, io(ErrorKind::ConnectionRefused)).await, 5);
}

#[tokio::test(start_paused = true)]
async fn an_unavailable_token_takes_no_permit() {
    assert_eq!(eleven(0, || TokenError::new(TokenErrorKind::Unavailable).into()).await, 5);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_broke_leaves_its_request_in_doubt_and_holds_no_other() {
    // With a time-out for each of them a fallback came after half a minute.
    assert_eq!(eleven(10, io(ErrorKind::ConnectionReset)).await, 5);
}

#[tokio::test(start_paused = true)]
async fn an_unused_unit_of_a_counter_is_there_for_the_next() {
    const LEFT: &[(&str, &str)] =
        &[("ratelimit-limit", "9"), ("ratelimit-remaining", "1"), ("ratelimit-reset", "60")];
    let (mut client, handle) = failing(0, io(ErrorKind::Other), LEFT);
    send(&mut client, get("/")).await.unwrap();
    assert_eq!(only(handle.snapshot()).remaining(), Some(1));
    // The call takes the last unit and is dropped; it was in flight, so the unit may be gone.
    client.ready().await.unwrap();
    drop(client.call(get("/dropped")));
    assert_eq!(only(handle.snapshot()).remaining(), Some(0));

    let (mut client, handle) = {
        let attempts = Arc::new(AtomicUsize::new(0));
        let server = service_fn(move |_: Request<Body>| {
            let first = attempts.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                let mut response = Response::builder();
                for (name, value) in LEFT {
                    response = response.header(*name, *value);
                }
                if first { Ok(response.body(Body::default())?) } else { Err(refused()) }
            }
        });
        let layer = ThrottleLayer::new();
        let handle = layer.handle();
        (layer.layer(server), handle)
    };
    send(&mut client, get("/")).await.unwrap();
    let start = Instant::now();
    for _ in 0..5 {
        send(&mut client, get("/refused")).await.unwrap_err();
        assert_eq!(only(handle.snapshot()).remaining(), Some(1));
    }
    // Nor does it count as a scout, which keeps a distance.
    assert!(millis(start) < 100, "{} ms", millis(start));
}

#[tokio::test(start_paused = true)]
async fn queued_requests_proceed_after_a_refused_connection() {
    let (client, _) = failing(10, io(ErrorKind::ConnectionRefused), &[]);
    let start = Instant::now();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { send(&mut client, get("/")).await.is_ok() })
        })
        .collect();
    let mut served = 0;
    for call in calls {
        served += usize::from(call.await.unwrap());
    }
    assert_eq!(served, 10);
    assert!(millis(start) < SECOND.as_millis() / 10, "{} ms", millis(start));
}

fn refused() -> BoxError {
    io::Error::from(ErrorKind::ConnectionRefused).into()
}
