//! What is logged, and in which span.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use tokio::sync::Semaphore;
use tower::{Layer, service_fn};
use tower_heed::{BoxError, DetachLayer};
use tracing::{Instrument, Level, info_span};

use super::{EVENTS, SECOND, detach, event, reporting, send, settle};
use crate::support::{
    events::Events,
    log::Log,
    probe::{Body, ScriptedResponse, probe},
};

#[tokio::test(start_paused = true)]
async fn a_failure_is_an_event_and_a_success_is_none() {
    let events = Events::record();
    let (probe, watch) = probe(4);
    let mut client = reporting().0.layer(probe);
    detach(&mut client, "fine").await;
    settle().await;
    assert_eq!(events.text(), "[]");
    watch.respond(503, &[]);
    detach(&mut client, "secret").await;
    settle().await;
    let reported = events.named("detached request failed");
    assert_eq!((reported.len(), reported[0].level), (1, Level::WARN));
    assert_eq!(reported[0].field("endpoint"), Some(EVENTS));
    assert_eq!(reported[0].field("cause"), Some("response"));
    assert_eq!(reported[0].field("class"), Some("unavailable"));
    assert_eq!(reported[0].field("status"), Some("503"));
    assert!(!events.text().contains("secret"), "{}", events.text());
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_logged_once_and_once_that_it_has_room_again() {
    let events = Events::record();
    let (probe, watch) = probe(4);
    let layer = reporting().0.max_queued(2).max_concurrent(NonZeroUsize::MIN);
    let mut client = layer.layer(probe);
    for round in 1..=2 {
        for _ in 0..3 {
            detach(&mut client, "a").await;
        }
        for _ in 0..5 {
            assert!(send(&mut client, event("a")).await.is_err());
        }
        let full = events.named("queue of detached requests is full");
        assert_eq!((full.len(), full[0].field("max_queued")), (round, Some("2")));
        settle().await;
        let over = events.named("queue of detached requests has room again");
        assert_eq!((over.len(), over[0].field("rejected")), (round, Some("5")));
    }
    assert_eq!(watch.attempts(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_is_logged_with_its_counts() {
    let events = Events::record();
    let (probe, watch) = probe(4);
    let (layer, _) = reporting();
    let handle = layer.handle();
    let mut client = layer.layer(probe);
    watch.push(ScriptedResponse::never());
    watch.respond(500, &[]);
    for kind in ["a", "b", "c", "d"] {
        detach(&mut client, kind).await;
    }
    handle.shutdown(SECOND).await;
    let reported = events.named("queue of detached requests was shut down");
    let counts = ["succeeded", "failed", "dropped"].map(|name| reported[0].field(name).unwrap());
    assert_eq!((reported.len(), counts), (1, ["2", "1", "1"]));
    assert!(send(&mut client, event("e")).await.is_err());
    assert!(events.named("queue of detached requests is full").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_panics_is_logged() {
    let events = Events::record();
    let (probe, _) = probe(4);
    let layer = DetachLayer::new()
        .endpoint(EVENTS.parse().unwrap(), |config| config)
        .on_success(|_, _| panic!("the callback's own fault"));
    detach(&mut layer.layer(probe), "a").await;
    settle().await;
    assert_eq!(events.named("callback of a detached request panicked").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn sending_and_callback_run_in_the_span_of_the_call() {
    let (log, _recording) = Log::record();
    let spans = Arc::new(Mutex::new(Vec::new()));
    let note = |spans: &Arc<Mutex<Vec<_>>>, at| {
        let name = tracing::Span::current().metadata().map(|span| span.name());
        spans.lock().unwrap().push((at, name));
    };
    let (sent, reported) = (Arc::clone(&spans), Arc::clone(&spans));
    let layer = DetachLayer::new()
        .endpoint(EVENTS.parse().unwrap(), |config| config)
        .max_concurrent(NonZeroUsize::MIN)
        .on_failure(move |_, _| note(&reported, "reported"));
    let handle = layer.handle();
    let api = service_fn(move |_: Request<Body>| {
        note(&sent, "called");
        let sent = Arc::clone(&sent);
        async move {
            tokio::task::yield_now().await;
            note(&sent, "sent");
            Ok::<_, BoxError>(Response::builder().status(500).body(Body::default())?)
        }
    });
    let mut client = layer.layer(api);
    detach(&mut client, "a").instrument(info_span!("login")).await;
    detach(&mut client, "b").instrument(info_span!("logout")).await;
    handle.shutdown(SECOND).await;
    let expected = ["login", "logout"]
        .map(|name| ["called", "sent", "reported"].map(|at| (at, Some(name))))
        .concat();
    assert_eq!(*spans.lock().unwrap(), expected);
    let text = log.text();
    assert!(text.contains("login: tower_heed::detach: detached request failed"), "{text}");
}

/// Otherwise each free place that is taken again would be logged.
#[tokio::test(start_paused = true)]
async fn the_queue_has_room_again_once_it_is_half_empty() {
    let events = Events::record();
    let gate = Arc::new(Semaphore::new(0));
    let passed = Arc::clone(&gate);
    let layer = reporting().0.max_queued(4).max_concurrent(NonZeroUsize::MIN);
    let mut client = layer.layer(service_fn(move |_: Request<Body>| {
        let gate = Arc::clone(&passed);
        async move {
            gate.acquire().await?.forget();
            Ok::<_, BoxError>(Response::new(Body::default()))
        }
    }));
    for _ in 0..5 {
        detach(&mut client, "a").await;
    }
    assert!(send(&mut client, event("a")).await.is_err());
    // One request is in flight and four are queued; then three, then two.
    for (queued, logged) in [(4, 0), (3, 0), (2, 1), (1, 1)] {
        settle().await;
        let over = events.named("queue of detached requests has room again");
        assert_eq!(over.len(), logged, "{queued} queued");
        gate.add_permits(1);
    }
}
