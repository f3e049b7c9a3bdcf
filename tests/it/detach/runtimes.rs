//! Where requests are sent, and what is left when that is gone.

use std::num::NonZeroUsize;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, Service, ServiceExt};
use tower_heed::{detach::Detach, error::NotQueuedReason};

use super::{SECOND, detach, event, one_at_a_time, paths, reporting, settle};
use crate::support::{
    error::not_queued,
    probe::{Probe, ScriptedResponse, probe},
};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// A runtime in which three requests were detached, of which the first is in flight.
fn runtime_with_three(client: &mut Detach<Probe>) -> Runtime {
    let runtime = runtime();
    runtime.block_on(async {
        for kind in ["a", "b", "c"] {
            detach(client, kind).await;
        }
        settle().await;
    });
    runtime
}

#[test]
fn a_layer_can_be_built_outside_of_a_runtime_and_its_parts_can_go_anywhere() {
    fn anywhere<T: Clone + Send + Sync + 'static>(_: &T) {}
    let (probe, _) = probe(1);
    let (layer, _) = reporting();
    anywhere(&layer);
    anywhere(&layer.handle());
    anywhere(&layer.layer(probe));
    assert!(format!("{layer:?} {:?}", layer.handle()).contains("DetachHandle"));
}

#[test]
fn a_detached_call_outside_of_a_runtime_is_rejected_and_says_why() {
    let (mut client, watch, handle, reported) = one_at_a_time();
    assert_ready!(task::spawn(client.ready()).poll()).unwrap();
    let mut call = task::spawn(client.call(event("a")));
    let error = assert_ready!(call.poll()).unwrap_err();
    assert_eq!(not_queued(error.as_ref()), NotQueuedReason::NoRuntime);
    assert_eq!((handle.pending(), watch.attempts(), watch.permits()), (0, 0, 4));
    assert!(reported.take().is_empty());
    // What passes through needs none.
    drop(call);
    assert_ready!(task::spawn(client.ready()).poll()).unwrap();
    let mut call = task::spawn(client.call(crate::support::scripted::get("/users/1")));
    assert_eq!(assert_ready!(call.poll()).unwrap().status(), 200);
}

#[test]
fn a_shutdown_goes_on_with_what_a_runtime_leaves_that_ends_meanwhile() {
    let (mut client, watch, handle, reported) = one_at_a_time();
    watch.push(ScriptedResponse::never());
    let first = runtime_with_three(&mut client);
    runtime().block_on(async {
        let mut shutdown = task::spawn(handle.shutdown(60 * SECOND));
        assert_pending!(shutdown.poll());
        first.shutdown_background();
        let begun = tokio::time::Instant::now();
        let report = shutdown.await;
        assert_eq!((report.succeeded(), report.failed(), report.dropped()), (2, 0, 1));
        let took = tokio::time::Instant::now() - begun;
        assert!(took < SECOND, "{took:?}");
    });
    assert_eq!(reported.take().len(), 3);
}

#[test]
fn requests_in_flight_on_a_dropped_runtime_are_interrupted_and_the_next_sends_the_rest() {
    let (mut client, watch, handle, reported) = one_at_a_time();
    watch.push(ScriptedResponse::never());
    let first = runtime_with_three(&mut client);
    assert!(reported.take().is_empty());
    drop(first);
    assert_eq!(reported.take(), ["/events/a interrupted"]);
    assert_eq!((handle.pending(), watch.permits()), (2, 4));

    runtime().block_on(async {
        detach(&mut client, "d").await;
        settle().await;
    });
    let ends = ["b", "c", "d"].map(|kind| format!("/events/{kind} succeeded 200"));
    assert_eq!((reported.take(), handle.pending()), (ends.to_vec(), 0));
    assert_eq!(watch.unready_calls(), 0);
}

#[test]
fn a_shutdown_works_off_what_a_runtime_has_left_behind() {
    let (mut client, watch, handle, reported) = one_at_a_time();
    runtime().block_on(async {
        for kind in ["a", "b"] {
            detach(&mut client, kind).await;
        }
    });
    assert_eq!((handle.pending(), watch.attempts()), (2, 0));
    let report = runtime().block_on(handle.shutdown(SECOND));
    assert_eq!((report.succeeded(), report.dropped()), (2, 0));
    assert_eq!(reported.take().len(), 2);
}

#[test]
fn requests_without_a_runtime_are_discarded_with_the_last_handle() {
    let (mut client, watch, handle, reported) = one_at_a_time();
    runtime().block_on(detach(&mut client, "a"));
    drop(client);
    assert!(reported.take().is_empty());
    drop(handle);
    assert_eq!(reported.take(), ["/events/a discarded"]);
    assert_eq!(watch.attempts(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_pending_is_worked_off_when_all_parts_are_dropped_and_no_task_stays() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let (probe, watch) = probe(4);
    let (layer, reported) = reporting();
    let layer = layer.max_concurrent(NonZeroUsize::new(2).unwrap());
    assert_eq!(tasks(), before, "nothing is spawned by a constructor");
    let mut client = layer.layer(probe);
    for kind in ["a", "b", "c", "d", "e"] {
        detach(&mut client, kind).await;
    }
    assert_eq!(tasks(), before + 2);
    drop((client, layer));
    settle().await;
    assert_eq!((reported.take().len(), watch.attempts()), (5, 5));
    assert_eq!(tasks(), before, "nothing is left when there is nothing to do");
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_has_run_empty_is_used_again() {
    let (mut client, watch, _, reported) = one_at_a_time();
    for _ in 0..3 {
        detach(&mut client, "a").await;
        settle().await;
        assert_eq!((reported.take().len(), paths(&watch).len()), (1, 1));
    }
}
