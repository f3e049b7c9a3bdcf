//! The end of the queue.

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tokio_test::{assert_pending, task};
use tower::{Layer, ServiceExt};
use tower_heed::{
    DetachLayer, RetryOnRateLimit, classify::Classification, detach::DetachReport,
    error::NotQueuedReason,
};

use super::{EVENTS, SECOND, detach, event, one_at_a_time, paths, reporting, send, settle};
use crate::support::{
    error::not_queued,
    probe::{Body, ScriptedResponse, probe},
    scripted::get,
};

/// Succeeded, failed, dropped.
fn counts(report: DetachReport) -> (usize, usize, usize) {
    (report.succeeded(), report.failed(), report.dropped())
}

#[tokio::test(start_paused = true)]
async fn pending_requests_are_sent_and_new_ones_are_rejected() {
    let (mut client, watch, handle, reported) = one_at_a_time();
    detach(&mut client, "earlier").await;
    settle().await;
    assert_eq!(reported.take().len(), 1);
    watch.respond(200, &[]);
    watch.respond(500, &[]);
    for kind in ["a", "b", "c"] {
        detach(&mut client, kind).await;
    }
    let shutdown = handle.shutdown(10 * SECOND);
    let error = send(&mut client, event("late")).await.unwrap_err();
    assert_eq!(not_queued(error.as_ref()), NotQueuedReason::ShutDown);
    assert!(Classification::of_error(error.as_ref()).is_none(), "waiting does not resolve it");

    let start = Instant::now();
    // What was over before does not count.
    assert_eq!(counts(shutdown.await), (2, 1, 0));
    assert_eq!((Instant::now(), handle.pending()), (start, 0));
    let ends =
        ["/events/a succeeded 200", "/events/b response unavailable", "/events/c succeeded 200"];
    assert_eq!(reported.take(), ends);
    // Other endpoints go on.
    assert_eq!(send(&mut client, get("/users/1")).await.unwrap().status(), 200);
    assert!(send(&mut client, event("later")).await.is_err());
    assert!(!paths(&watch).iter().any(|path| path.starts_with("/events/late")));
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_left_at_the_limit_are_dropped_and_reported() {
    let (mut client, watch, handle, reported) = one_at_a_time();
    watch.push(ScriptedResponse::never());
    for kind in ["hangs", "waits", "waits-too"] {
        detach(&mut client, kind).await;
    }
    let start = Instant::now();
    assert_eq!(counts(handle.shutdown(10 * SECOND).await), (0, 0, 3));
    assert_eq!(Instant::now() - start, 10 * SECOND);
    // Told by then, and each for what it is.
    let ends =
        ["/events/hangs interrupted", "/events/waits discarded", "/events/waits-too discarded"];
    assert_eq!(reported.take(), ends);
    assert_eq!(handle.pending(), 0);
    settle().await;
    assert_eq!((watch.in_flight(), watch.permits()), (0, 4));
    assert_eq!(paths(&watch), ["/events/hangs"]);
    assert!(reported.take().is_empty());
}

/// What waits holds requests of others, whose drop is theirs.
#[tokio::test(start_paused = true)]
async fn a_request_that_panics_when_it_is_dropped_costs_the_others_nothing() {
    #[derive(Clone)]
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("the extension's own fault");
        }
    }
    let (mut client, watch, handle, reported) = one_at_a_time();
    watch.push(ScriptedResponse::never());
    detach(&mut client, "hangs").await;
    for kind in ["a", "b", "c"] {
        let mut request = event(kind);
        request.extensions_mut().insert(Bomb);
        send(&mut client, request).await.unwrap();
    }
    assert_eq!(counts(handle.shutdown(SECOND).await), (0, 0, 4));
    assert_eq!((reported.take().len(), handle.pending()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn one_that_ends_before_the_deadline_is_not_given_up() {
    let (probe, watch) = probe(4);
    let (layer, reported) = reporting();
    let handle = layer.handle();
    let mut client = layer.layer(RetryOnRateLimit::new().layer(probe));
    watch.respond(429, &[("retry-after", "5")]);
    detach(&mut client, "a").await;
    assert_eq!(counts(handle.shutdown(10 * SECOND).await), (1, 0, 0));
    assert_eq!(reported.take(), ["/events/a succeeded 200"]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_queue_is_shut_down_at_once() {
    let (client, _, handle, _) = one_at_a_time();
    let start = Instant::now();
    assert_eq!(counts(handle.shutdown(Duration::MAX).await), (0, 0, 0));
    assert_eq!(Instant::now(), start);
    assert!(send(&mut client.clone(), event("a")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_zero_gives_up_at_once() {
    let (mut client, watch, handle, reported) = one_at_a_time();
    detach(&mut client, "a").await;
    let start = Instant::now();
    assert_eq!(counts(handle.shutdown(Duration::ZERO).await), (0, 0, 1));
    assert!(Instant::now() - start <= Duration::from_millis(1));
    assert_eq!(reported.take(), ["/events/a discarded"]);
    settle().await;
    assert_eq!(watch.attempts(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_that_is_dropped_leaves_the_queue_shut_and_working() {
    let (mut client, watch, handle, reported) = one_at_a_time();
    detach(&mut client, "a").await;
    let mut shutdown = task::spawn(handle.shutdown(SECOND));
    assert_pending!(shutdown.poll());
    drop(shutdown);
    sleep(5 * SECOND).await;
    assert_eq!(reported.take(), ["/events/a succeeded 200"]);
    assert!(send(&mut client, event("b")).await.is_err());
    assert_eq!(watch.attempts(), 1);
    // Also one that was never polled.
    drop(handle.shutdown(SECOND));
}

#[tokio::test(start_paused = true)]
async fn the_earliest_of_two_deadlines_holds_for_both() {
    let (mut client, watch, handle, reported) = one_at_a_time();
    watch.push(ScriptedResponse::never());
    detach(&mut client, "a").await;
    settle().await;
    let long = tokio::spawn(handle.shutdown(100 * SECOND));
    let start = Instant::now();
    assert_eq!(counts(handle.clone().shutdown(2 * SECOND).await), (0, 0, 1));
    assert_eq!(counts(long.await.unwrap()), (0, 0, 1));
    assert_eq!(Instant::now() - start, 2 * SECOND);
    assert_eq!(reported.take(), ["/events/a interrupted"]);
}

#[tokio::test(start_paused = true)]
async fn the_reading_away_of_an_response_keeps_no_shutdown_waiting() {
    let layer = DetachLayer::new().endpoint(EVENTS.parse().unwrap(), |config| config);
    let handle = layer.handle();
    let (_sender, body) = http_body_util::channel::Channel::<bytes::Bytes>::new(1);
    let body = Arc::new(Mutex::new(Some(body)));
    let api = tower::service_fn(move |_: http::Request<Body>| {
        let body = body.lock().unwrap().take().unwrap();
        async move { Ok::<_, tower_heed::BoxError>(http::Response::new(body)) }
    });
    let mut client = layer.layer(api);
    client.ready().await.unwrap();
    detach(&mut client, "a").await;
    let start = Instant::now();
    assert_eq!(counts(handle.shutdown(10 * SECOND).await), (1, 0, 0));
    assert_eq!(Instant::now(), start);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_callback_is_waited_for_and_its_request_counted() {
    let (begun, at_work) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let released = Mutex::new(released);
    let (probe, _) = probe(4);
    let layer = reporting().0.on_success(move |_, _| {
        begun.send(()).unwrap();
        released.lock().unwrap().recv().unwrap();
    });
    let handle = layer.handle();
    detach(&mut layer.layer(probe), "a").await;
    tokio::task::spawn_blocking(move || at_work.recv().unwrap()).await.unwrap();
    assert_eq!(handle.pending(), 1);
    let mut shutdown = task::spawn(handle.shutdown(60 * SECOND));
    assert_pending!(shutdown.poll());
    release.send(()).unwrap();
    assert_eq!(counts(shutdown.await), (1, 0, 0));
    assert_eq!(handle.pending(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_that_hangs_does_not_hold_a_shutdown_beyond_its_limit() {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let (begun, at_work) = mpsc::channel();
    let (probe, _) = probe(4);
    let layer = reporting().0.on_success(move |_, _| {
        begun.send(()).unwrap();
        released.lock().unwrap().recv().unwrap_err();
    });
    let handle = layer.handle();
    detach(&mut layer.layer(probe), "a").await;
    tokio::task::spawn_blocking(move || at_work.recv().unwrap()).await.unwrap();
    assert_eq!(counts(handle.shutdown(Duration::ZERO).await), (1, 0, 0));
    drop(release);
}
