//! Which instance sends, and what is held until then.

use tokio::task::yield_now;
use tower::{Layer, Service, ServiceExt};

use super::{detach, event, one_at_a_time, reporting, settle};
use crate::support::{
    probe::{ProbeError, ScriptedResponse, probe},
    scripted::get,
};

#[tokio::test(start_paused = true)]
async fn a_detached_call_lets_the_readied_instance_go_and_is_sent_by_one_made_ready() {
    let (probe, watch) = probe(4);
    let mut client = reporting().0.layer(probe);
    client.ready().await.unwrap();
    assert_eq!(watch.permits(), 3);
    let future = client.call(event("login"));
    assert_eq!(watch.permits(), 4, "nothing is held in the queue");
    future.await.unwrap();
    settle().await;
    assert_eq!((watch.attempts(), watch.unready_calls(), watch.permits()), (1, 0, 4));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_passes_through_uses_the_readied_instance() {
    let (probe, watch) = probe(4);
    let mut client = reporting().0.layer(probe);
    client.ready().await.unwrap();
    let asked = watch.poll_ready_calls();
    client.call(get("/users/1")).await.unwrap();
    assert_eq!((watch.poll_ready_calls(), watch.unready_calls()), (asked, 0));
}

#[tokio::test(start_paused = true)]
async fn a_detached_request_waits_for_readiness_and_holds_no_permit_meanwhile() {
    let (probe, watch) = probe(1);
    let (layer, reported) = reporting();
    let mut client = layer.layer(probe);
    client.ready().await.unwrap();
    let call = client.call(event("login"));
    let mut holder = watch.service();
    holder.ready().await.unwrap();
    call.await.unwrap();
    settle().await;
    assert_eq!((watch.attempts(), watch.permits()), (0, 0));
    drop(holder);
    settle().await;
    assert_eq!((watch.attempts(), watch.permits(), watch.unready_calls()), (1, 1, 0));
    assert_eq!(reported.take(), ["/events/login succeeded 200"]);
}

#[tokio::test(start_paused = true)]
async fn each_waits_for_a_readiness_of_its_own() {
    let (mut client, watch, handle, _) = one_at_a_time();
    for _ in 0..3 {
        detach(&mut client, "a").await;
    }
    settle().await;
    assert_eq!((watch.attempts(), watch.unready_calls(), watch.permits()), (3, 0, 4));
    assert_eq!(handle.pending(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_that_readiness_is_a_failure_of_the_request() {
    let (probe, watch) = probe(4);
    let (layer, reported) = reporting();
    let mut client = layer.layer(probe);
    detach(&mut client, "login").await;
    watch.break_readiness(ProbeError("broken for good"));
    settle().await;
    assert_eq!(reported.take(), ["/events/login error"]);
    assert_eq!(watch.attempts(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_permit_comes_back_with_the_end_of_the_request() {
    let (probe, watch) = probe(2);
    let mut client = reporting().0.layer(probe);
    watch.push(ScriptedResponse::never());
    detach(&mut client, "hangs").await;
    yield_now().await;
    settle().await;
    assert_eq!(watch.permits(), 1);
    detach(&mut client, "a").await;
    settle().await;
    assert_eq!(watch.permits(), 1);
}
