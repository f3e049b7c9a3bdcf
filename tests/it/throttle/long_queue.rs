//! Behind a line that is too long nobody waits in vain.

use tokio::time::{Instant, sleep};
use tower::Layer;
use tower_heed::{BoxError, ThrottleLayer, extensions::Priority, throttle::Throttle};

use super::{SECOND, millis, send, server::Server, throttled};
use crate::support::{
    scripted::get,
    sim::{self, Headers, Rule},
};

/// A client of a server that takes ten requests in ten seconds, which it knows if it shows them.
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

/// What becomes of a request, and after how many milliseconds.
async fn call(client: Throttle<Server>, priority: Priority) -> (Result<(), BoxError>, u128) {
    let mut client = client;
    let start = Instant::now();
    let mut request = get("/");
    request.extensions_mut().insert(priority);
    (send(&mut client, request).await.map(drop), millis(start))
}

/// How many of a crowd are served, are told at once, and wait in vain.
async fn crowd(client: &Throttle<Server>) -> (usize, usize, usize) {
    let mut calls = Vec::new();
    for _ in 0..200 {
        calls.push(tokio::spawn(call(client.clone(), Priority::Normal)));
        sleep(SECOND / 1_000).await;
    }
    let (mut served, mut told, mut vain) = (0, 0, 0);
    for call in calls {
        match call.await.unwrap() {
            (Ok(()), _) => served += 1,
            (Err(error), 0) => {
                let wait = throttled(&error).retry_after().unwrap();
                assert!((26 * SECOND..28 * SECOND).contains(&wait), "{wait:?}");
                told += 1;
            }
            (Err(_), _) => vain += 1,
        }
    }
    (served, told, vain)
}

#[tokio::test(start_paused = true)]
async fn who_comes_too_late_in_the_line_is_told_at_once() {
    let (client, server) = client(Headers::Epoch).await;
    let (served, told, vain) = crowd(&client).await;
    assert!((27..=45).contains(&served), "{served}");
    assert!(vain <= 12, "{vain} of 200 waited in vain, {told} were told");
    assert_eq!(server.counted().refused, 0);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_certain_all_wait() {
    let (client, _) = client(Headers::Silent).await;
    let (_, told, vain) = crowd(&client).await;
    assert!(told == 0 && vain > 100, "{told} were told, {vain} waited in vain");
}

#[tokio::test(start_paused = true)]
async fn a_higher_priority_is_not_behind_a_lower_one() {
    let (client, _) = client(Headers::Epoch).await;
    let mut bulk = Vec::new();
    for _ in 0..60 {
        bulk.push(tokio::spawn(call(client.clone(), Priority::Low)));
        tokio::task::yield_now().await;
    }
    let (login, took) = call(client.clone(), Priority::High).await;
    assert!(login.is_ok() && took < 11_000, "{took} ms");
}
