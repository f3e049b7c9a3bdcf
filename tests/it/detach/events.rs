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

use super::{EVENTS, SECOND, detach, event, send, settle, telling};
use crate::support::{
    events::Events,
    log::Log,
    probe::{Answer, Body, probe},
};

#[tokio::test(start_paused = true)]
async fn a_failure_is_an_event_and_a_success_is_none() {
    let events = Events::record();
    let (probe, watch) = probe(4);
    let mut client = telling().0.layer(probe);
    detach(&mut client, "fine").await;
    settle().await;
    assert_eq!(events.text(), "[]");
    watch.respond(503, &[]);
    detach(&mut client, "secret").await;
    settle().await;
    let told = events.named("a detached request came to nothing");
    assert_eq!((told.len(), told[0].level), (1, Level::WARN));
    assert_eq!(told[0].field("endpoint"), Some(EVENTS));
    assert_eq!(told[0].field("cause"), Some("answered"));
    assert_eq!(told[0].field("class"), Some("unavailable"));
    assert_eq!(told[0].field("status"), Some("503"));
    assert!(!events.text().contains("secret"), "{}", events.text());
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_told_once_and_once_that_there_is_room_again() {
    let events = Events::record();
    let (probe, watch) = probe(4);
    let layer = telling().0.max_queued(2).max_concurrent(NonZeroUsize::MIN);
    let mut client = layer.layer(probe);
    for round in 1..=2 {
        for _ in 0..3 {
            detach(&mut client, "a").await;
        }
        for _ in 0..5 {
            assert!(send(&mut client, event("a")).await.is_err());
        }
        let full = events.named("the queue of detached requests is full");
        assert_eq!((full.len(), full[0].field("max_queued")), (round, Some("2")));
        settle().await;
        let over = events.named("the queue of detached requests has room again");
        assert_eq!((over.len(), over[0].field("refused")), (round, Some("5")));
    }
    assert_eq!(watch.sends(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_is_told_with_its_counts() {
    let events = Events::record();
    let (probe, watch) = probe(4);
    let (layer, _) = telling();
    let handle = layer.handle();
    let mut client = layer.layer(probe);
    watch.answer(Answer::never());
    watch.respond(500, &[]);
    for kind in ["a", "b", "c", "d"] {
        detach(&mut client, kind).await;
    }
    handle.shutdown(SECOND).await;
    let told = events.named("the queue of detached requests was shut down");
    let counts = ["completed", "failed", "dropped"].map(|name| told[0].field(name).unwrap());
    assert_eq!((told.len(), counts), (1, ["2", "1", "1"]));
    assert!(send(&mut client, event("e")).await.is_err());
    assert!(events.named("the queue of detached requests is full").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_panics_is_told() {
    let events = Events::record();
    let (probe, _) = probe(4);
    let layer = DetachLayer::new()
        .endpoint(EVENTS, |config| config)
        .unwrap()
        .on_success(|_| panic!("the callback's own fault"));
    detach(&mut layer.layer(probe), "a").await;
    settle().await;
    assert_eq!(events.named("the callback of a detached request panicked").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_span_of_the_call_is_that_of_the_sending_and_of_the_listener() {
    let (log, _recording) = Log::record();
    let spans = Arc::new(Mutex::new(Vec::new()));
    let note = |spans: &Arc<Mutex<Vec<_>>>, at| {
        let name = tracing::Span::current().metadata().map(|span| span.name());
        spans.lock().unwrap().push((at, name));
    };
    let (sent, told) = (Arc::clone(&spans), Arc::clone(&spans));
    let layer = DetachLayer::new()
        .endpoint(EVENTS, |config| config)
        .unwrap()
        .max_concurrent(NonZeroUsize::MIN)
        .on_failure(move |_| note(&told, "told"));
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
        .map(|name| ["called", "sent", "told"].map(|at| (at, Some(name))))
        .concat();
    assert_eq!(*spans.lock().unwrap(), expected);
    assert!(log.text().contains("login: tower_heed::detach: a detached request came to nothing"));
}

/// One place that becomes free and is taken again would be told of each time.
#[tokio::test(start_paused = true)]
async fn there_is_room_again_when_half_of_the_places_are_free() {
    let events = Events::record();
    let gate = Arc::new(Semaphore::new(0));
    let passed = Arc::clone(&gate);
    let layer = telling().0.max_queued(4).max_concurrent(NonZeroUsize::MIN);
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
    // One is under way and four wait; then three, then two.
    for (waiting, told) in [(4, 0), (3, 0), (2, 1), (1, 1)] {
        settle().await;
        let over = events.named("the queue of detached requests has room again");
        assert_eq!(over.len(), told, "{waiting} wait");
        gate.add_permits(1);
    }
}
