//! The bounds of the queue, and who is sent when.

use std::num::NonZeroUsize;

use tower::Layer;
use tower_heed::{
    classify::{Classification, ErrorClass},
    error::NotQueuedReason,
};

use super::{EVENTS, SECOND, detach, event, one_at_a_time, paths, reporting, send, settle};
use crate::support::{
    error::{not_queued, ours},
    probe::{ScriptedResponse, probe},
    scripted::get,
};

#[tokio::test(start_paused = true)]
async fn a_full_queue_rejects_at_once_and_has_room_again_later() {
    let (probe, watch) = probe(9);
    let (layer, reported) = reporting();
    let layer = layer.max_queued(2).max_concurrent(NonZeroUsize::new(3).unwrap());
    let handle = layer.handle();
    let mut client = layer.layer(probe);
    for _ in 0..3 {
        watch.push(ScriptedResponse::never());
    }
    // Nothing has been begun yet: that does not make the queue any smaller.
    for _ in 0..5 {
        detach(&mut client, "a").await;
    }
    for begun in [false, true] {
        let error = send(&mut client, event("rejected")).await.unwrap_err();
        let reason = not_queued(error.as_ref());
        assert!(matches!(reason, NotQueuedReason::Full { max_queued: 2, .. }), "{reason}");
        assert_eq!(ours(error.as_ref()).endpoint(), Some(EVENTS));
        let class = Classification::of_error(error.as_ref()).unwrap().class();
        assert_eq!(class, ErrorClass::Throttled);
        assert_eq!((watch.in_flight(), handle.pending()), (if begun { 3 } else { 0 }, 5));
        settle().await;
    }
    // Others are not concerned.
    assert_eq!(send(&mut client, get("/users/1")).await.unwrap().status(), 200);

    assert!(reported.take().is_empty(), "a rejected request is not reported");
    let report = handle.shutdown(SECOND).await;
    assert_eq!(report.dropped(), 5);
    assert!(!paths(&watch).contains(&"/events/rejected".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn room_that_becomes_free_is_given_away_again() {
    let (mut client, watch, handle, reported) = {
        let (probe, watch) = probe(4);
        let (layer, reported) = reporting();
        let layer = layer.max_queued(1).max_concurrent(NonZeroUsize::MIN);
        (layer.layer(probe), watch, layer.handle(), reported)
    };
    for _ in 0..3 {
        detach(&mut client, "a").await;
        detach(&mut client, "b").await;
        assert!(send(&mut client, event("c")).await.is_err());
        settle().await;
        assert_eq!(handle.pending(), 0);
    }
    assert_eq!((watch.attempts(), reported.take().len()), (6, 6));
}

#[tokio::test(start_paused = true)]
async fn without_a_queue_a_request_is_under_way_at_once_or_rejected() {
    let (probe, watch) = probe(4);
    let layer = reporting().0.max_queued(0).max_concurrent(NonZeroUsize::MIN);
    let mut client = layer.layer(probe);
    watch.push(ScriptedResponse::never());
    detach(&mut client, "a").await;
    assert!(send(&mut client, event("b")).await.is_err());
    settle().await;
    assert!(send(&mut client, event("c")).await.is_err());
    assert_eq!(paths(&watch), ["/events/a"]);
}

#[tokio::test(start_paused = true)]
async fn no_more_are_under_way_than_may_be() {
    let (probe, watch) = probe(9);
    let layer = reporting().0.max_concurrent(NonZeroUsize::new(3).unwrap());
    let handle = layer.handle();
    let mut client = layer.layer(probe);
    for _ in 0..3 {
        watch.push(ScriptedResponse::never());
    }
    for _ in 0..5 {
        detach(&mut client, "a").await;
        settle().await;
    }
    assert_eq!((watch.in_flight(), handle.pending()), (3, 5));
}

#[tokio::test(start_paused = true)]
async fn they_are_sent_in_the_order_in_which_they_came() {
    let (mut client, watch, handle, reported) = one_at_a_time();
    let kinds: Vec<String> = (0..20).map(|number| format!("{number}")).collect();
    for kind in &kinds {
        detach(&mut client, kind).await;
    }
    handle.shutdown(SECOND).await;
    let expected: Vec<String> = kinds.iter().map(|kind| format!("/events/{kind}")).collect();
    assert_eq!(paths(&watch), expected);
    assert_eq!(reported.take().len(), 20);
}

/// Requests with immediate responses would otherwise keep the thread until none is left.
#[tokio::test(start_paused = true)]
async fn other_tasks_run_between_two_requests() {
    let (mut client, watch, _, _) = one_at_a_time();
    for _ in 0..100 {
        detach(&mut client, "a").await;
    }
    tokio::task::yield_now().await;
    assert!((1..5).contains(&watch.attempts()), "{} of 100 at a time", watch.attempts());
}

#[tokio::test(start_paused = true)]
async fn clones_and_all_services_of_a_layer_share_one_queue() {
    let (probe, watch) = probe(4);
    let (layer, _) = reporting();
    let layer = layer.max_queued(1).max_concurrent(NonZeroUsize::MIN);
    watch.push(ScriptedResponse::never());
    let mut one = layer.layer(probe.clone());
    let mut other = layer.clone().layer(probe);
    detach(&mut one, "a").await;
    detach(&mut other.clone(), "b").await;
    assert!(send(&mut other, event("c")).await.is_err());
    assert_eq!(layer.handle().pending(), 2);
}

/// Thousands of calls on several threads: each is reported once, and none is forgotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_or_reported_twice_on_four_threads() {
    let (probe, watch) = probe(64);
    let (layer, reported) = reporting();
    let layer = layer.max_queued(100_000);
    let handle = layer.handle();
    let client = layer.layer(probe);
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..8 {
        let mut client = client.clone();
        callers.spawn(async move {
            for number in 0..250 {
                detach(&mut client, &format!("{caller}-{number}")).await;
            }
        });
    }
    callers.join_all().await;
    let report = handle.shutdown(60 * SECOND).await;
    assert_eq!((report.failed(), report.dropped(), handle.pending()), (0, 0, 0));
    let mut reported = reported.take();
    reported.sort();
    reported.dedup();
    assert_eq!((reported.len(), watch.attempts(), watch.unready_calls()), (2_000, 2_000, 0));
}
