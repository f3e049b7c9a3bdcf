//! Behind a queue that is too long no request waits in vain.

use tokio::time::{Instant, sleep};
use tower::Layer;
use tower_heed::{BoxError, ThrottleLayer, extensions::Priority, throttle::Throttle};

use super::{SECOND, millis, send, server::Server, throttled};
use crate::support::{
    scripted::get,
    sim::{self, Headers, Rule},
};

/// A client of a server that accepts ten requests in ten seconds, which the client knows if the headers say it.
async fn client(headers: Headers) -> (Throttle<Server>, Server) {
    let server = Server::new(Rule::Fixed { limit: 10, period: 10 * sim::SECOND }, headers);
    let patient = ThrottleLayer::new();
    let layer = patient.clone().max_wait(30 * SECOND);
    let mut client = patient.layer(server.clone());
    for _ in 0..35 {
        send(&mut client, get("/")).await.unwrap();
    }
    (layer.layer(server.clone()), server)
}

/// The result of a request, and the milliseconds it took.
async fn call(client: Throttle<Server>, priority: Priority) -> (Result<(), BoxError>, u128) {
    let mut client = client;
    let start = Instant::now();
    let mut request = get("/");
    request.extensions_mut().insert(priority);
    (send(&mut client, request).await.map(drop), millis(start))
}

/// How many of 200 requests are served, fail at once, and wait in vain.
async fn call_all(client: &Throttle<Server>) -> (usize, usize, usize) {
    let mut calls = Vec::new();
    for _ in 0..200 {
        calls.push(tokio::spawn(call(client.clone(), Priority::Normal)));
        sleep(SECOND / 1_000).await;
    }
    let (mut served, mut failed, mut vain) = (0, 0, 0);
    for call in calls {
        match call.await.unwrap() {
            (Ok(()), _) => served += 1,
            (Err(error), 0) => {
                let wait = throttled(&error).retry_after().unwrap();
                // As long as the requests ahead of it take, and its own.
                assert!((26 * SECOND..45 * SECOND).contains(&wait), "{wait:?}");
                failed += 1;
            }
            (Err(_), _) => vain += 1,
        }
    }
    (served, failed, vain)
}

#[tokio::test(start_paused = true)]
async fn a_hopeless_request_fails_at_once() {
    let (client, server) = client(Headers::Epoch).await;
    let (served, failed, vain) = call_all(&client).await;
    assert!((27..=45).contains(&served), "{served}");
    assert!(vain <= 12, "{vain} of 200 waited in vain, {failed} failed at once");
    assert_eq!(server.counted().rate_limited, 0);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_certain_all_requests_wait() {
    let (client, _) = client(Headers::Bare).await;
    let (_, failed, vain) = call_all(&client).await;
    assert!(failed == 0 && vain > 100, "{failed} failed at once, {vain} waited in vain");
}

#[tokio::test(start_paused = true)]
async fn a_higher_priority_does_not_wait_behind_a_lower_one() {
    let (client, _) = client(Headers::Epoch).await;
    let mut bulk = Vec::new();
    for _ in 0..60 {
        bulk.push(tokio::spawn(call(client.clone(), Priority::Low)));
        tokio::task::yield_now().await;
    }
    let (login, took) = call(client.clone(), Priority::High).await;
    assert!(login.is_ok() && took < 11_000, "{took} ms");
}
