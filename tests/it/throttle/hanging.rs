//! A hanging request delays no other for long.

use std::{convert::Infallible, time::Duration};

use http::{Request, Response};
use tokio::time::{Instant, sleep};
use tower::{Layer, service_fn};
use tower_heed::ThrottleLayer;

use super::{SECOND, millis, paths, send, spawn};
use crate::support::{
    probe::{Body, ScriptedResponse, probe},
    scripted::get,
};

#[tokio::test(start_paused = true)]
async fn the_first_request_hangs_and_the_others_proceed() {
    let (probe, watch) = probe(40);
    let client = ThrottleLayer::new().layer(probe);
    watch.push(ScriptedResponse::never());
    let hangs = spawn(&client, get("/hangs")).await;
    let start = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..30 {
        tasks.push(spawn(&client, get(&format!("/{number}"))).await);
    }
    sleep(Duration::from_millis(990)).await;
    assert_eq!(watch.attempts(), 1);
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap().status(), 200);
    }
    assert!((1_000..1_050).contains(&millis(start)), "{} ms", millis(start));
    hangs.abort();
}

#[tokio::test(start_paused = true)]
async fn a_probe_after_a_reset_hangs_and_another_is_made() {
    let (probe, watch) = probe(40);
    let mut client = ThrottleLayer::new().layer(probe);
    super::rate_limit(&mut client, &watch).await;
    let start = Instant::now();
    watch.push(ScriptedResponse::never());
    let hangs = spawn(&client, get("/hangs")).await;
    let next = spawn(&client, get("/next")).await;
    assert_eq!(next.await.unwrap().unwrap().status(), 200);
    assert!((11_000..11_100).contains(&millis(start)), "{} ms", millis(start));
    assert_eq!(paths(&watch), ["/hangs", "/next"]);
    hangs.abort();
}

#[tokio::test(start_paused = true)]
async fn callers_of_a_slow_endpoint_are_through_in_four_rounds() {
    let server = service_fn(|_: Request<Body>| async {
        sleep(3 * SECOND).await;
        Ok::<_, Infallible>(Response::new(Body::default()))
    });
    let client = ThrottleLayer::new().layer(server);
    let start = Instant::now();
    let calls: Vec<_> = (0..64)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { send(&mut client, get("/")).await.unwrap() })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert!(millis(start) < 12_000, "{} ms", millis(start));
}
