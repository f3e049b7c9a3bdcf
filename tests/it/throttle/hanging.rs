//! A hanging request delays no other for long.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use tokio::time::{Instant, sleep};
use tower::{Layer, service_fn, util::BoxCloneSyncService};
use tower_heed::{
    ThrottleLayer,
    extensions::{Deadline, Priority},
};

use super::{SECOND, millis, only, paths, send, spawn};
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

/// Also where no other request comes, which would give it up.
#[tokio::test(start_paused = true)]
async fn a_request_that_was_dropped_is_not_shown_as_in_flight_for_good() {
    let (probe, watch) = probe(4);
    let layer = ThrottleLayer::new();
    let handle = layer.handle();
    let client = layer.layer(probe);
    let shown = || only(handle.snapshot()).in_flight();
    watch.push(ScriptedResponse::never());
    spawn(&client, get("/")).await.abort();
    tokio::task::yield_now().await;
    assert_eq!(shown(), 1, "it may have arrived at the server");
    sleep(Duration::from_millis(499)).await;
    assert_eq!(shown(), 1);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(shown(), 0);
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

/// Responds to the first request after three seconds, and to others after fifty milliseconds.
fn slow_at_first() -> (impl Fn() -> usize, Client) {
    let attempts = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&attempts);
    let server = service_fn(move |_: Request<Body>| {
        let is_first = count.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            sleep(if is_first { 3 * SECOND } else { SECOND / 20 }).await;
            Ok::<_, Infallible>(Response::new(Body::default()))
        }
    });
    let client = BoxCloneSyncService::new(ThrottleLayer::new().layer(server));
    (move || attempts.load(Ordering::Relaxed), client)
}

type Client = BoxCloneSyncService<Request<Body>, Response<Body>, tower_heed::BoxError>;

fn within(timeout: Duration, priority: Priority) -> Request<Body> {
    let mut request = get("/login");
    request.extensions_mut().insert(Deadline::at(Instant::now() + timeout));
    request.extensions_mut().insert(priority);
    request
}

#[tokio::test(start_paused = true)]
async fn a_login_does_not_fail_because_the_first_request_of_the_process_is_slow() {
    let (attempts, client) = slow_at_first();
    let mut first = client.clone();
    let first = tokio::spawn(async move { send(&mut first, get("/first")).await });
    tokio::task::yield_now().await;
    let start = Instant::now();
    let mut login = client.clone();
    send(&mut login, within(SECOND / 2, Priority::High)).await.unwrap();
    assert!((300..320).contains(&millis(start)), "{} ms", millis(start));
    assert_eq!(attempts(), 2);
    first.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_more_than_sixteen_go_before_the_first_response() {
    let (probe, watch) = probe(200);
    let client = ThrottleLayer::new().layer(probe);
    for _ in 0..100 {
        watch.push(ScriptedResponse::never());
    }
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(
                async move { send(&mut client, within(SECOND / 2, Priority::Normal)).await },
            )
        })
        .collect();
    sleep(SECOND * 9 / 10).await;
    assert_eq!(watch.attempts(), 17);
    let mut said = 0;
    for call in calls {
        if call.is_finished() {
            let error = call.await.unwrap().unwrap_err();
            assert!(error.to_string().contains("first response"), "{error}");
            said += 1;
        } else {
            call.abort();
        }
    }
    assert_eq!(said, 83);
}
