//! What the layers around and inside make of it.

use http::Response;
use tower::Layer;
use tower_heed::{
    ErrorClassifyLayer, FallbackLayer, RetryOnRateLimit, classify::AuthStatus,
    error::NotQueuedReason,
};

use super::{SECOND, detach, event, one_at_a_time, reporting, send, settle};
use crate::support::{
    error::not_queued,
    probe::{ScriptedResponse, probe},
};

/// The 202 is no failure, whatever becomes of the request. A full queue is one that may be resolved by waiting.
#[tokio::test(start_paused = true)]
async fn a_retry_outside_repeats_nothing_but_the_rejection_of_a_full_queue() {
    let (probe, watch) = probe(4);
    let (layer, reported) = reporting();
    let layer = layer.max_queued(0).max_concurrent(std::num::NonZeroUsize::MIN);
    let mut client = RetryOnRateLimit::new().layer(layer.layer(probe));
    watch.respond(503, &[]);
    assert_eq!(send(&mut client, event("fails")).await.unwrap().status(), 202);
    settle().await;
    assert_eq!((watch.attempts(), reported.take().len()), (1, 1));

    watch.push(ScriptedResponse::status(200).after(SECOND / 2));
    for kind in ["first", "second"] {
        assert_eq!(send(&mut client, event(kind)).await.unwrap().status(), 202);
    }
    settle().await;
    assert_eq!(reported.take(), ["/events/first succeeded 200", "/events/second succeeded 200"]);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_after_the_shutdown_is_not_retried() {
    let (client, _, handle, _) = one_at_a_time();
    handle.shutdown(SECOND).await;
    let start = tokio::time::Instant::now();
    let mut client = RetryOnRateLimit::new().layer(client);
    let error = send(&mut client, event("late")).await.unwrap_err();
    assert_eq!(not_queued(error.as_ref()), NotQueuedReason::ShutDown);
    assert_eq!(tokio::time::Instant::now(), start);
}

#[tokio::test(start_paused = true)]
async fn a_detached_401_counts_for_the_session_of_a_classifying_layer_inside() {
    let (probe, watch) = probe(4);
    let classify = ErrorClassifyLayer::new();
    let status = classify.status();
    let mut client = reporting().0.layer(classify.layer(probe));
    watch.respond(401, &[]);
    detach(&mut client, "login").await;
    assert_eq!(status.get(), AuthStatus::Unknown);
    settle().await;
    assert_eq!(status.get(), AuthStatus::Unauthenticated);
}

/// The response of a fallback stands in for a failure.
#[tokio::test(start_paused = true)]
async fn a_request_that_failed_open_was_not_delivered() {
    let (probe, watch) = probe(4);
    let (layer, reported) = reporting();
    let open = FallbackLayer::fail_open(|_| Response::new("open"));
    let mut client = layer.layer(open.layer(probe));
    watch.respond(503, &[]);
    for kind in ["first", "second"] {
        detach(&mut client, kind).await;
    }
    settle().await;
    let ends = ["/events/first response unavailable", "/events/second succeeded 200"];
    assert_eq!(reported.take(), ends);
}
