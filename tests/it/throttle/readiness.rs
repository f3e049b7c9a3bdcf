//! Which instance is used, and that a queued call holds none.

use std::sync::Arc;

use tokio::{task::yield_now, time::Instant};
use tokio_test::task;
use tower::{Layer, Service, ServiceExt};
use tower_heed::{ThrottleLayer, error::find};

use super::{SECOND, millis, rate_limit, rate_limited, send, spawn};
use crate::support::{
    probe::{ProbeError, probe},
    scripted::get,
};

#[tokio::test(start_paused = true)]
async fn a_queued_call_holds_no_permit_of_the_inner_service() {
    let (client, watch) = rate_limited().await;
    let waiting = [spawn(&client, get("/a")).await, spawn(&client, get("/b")).await];
    assert_eq!(watch.permits(), 4);
    for task in waiting {
        task.await.unwrap().unwrap();
    }
    assert_eq!((watch.permits(), watch.unready_calls()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn an_admitted_call_waits_for_readiness() {
    let (client, watch) = rate_limited().await;
    let waiting = spawn(&client, get("/a")).await;
    let mut holders = Vec::new();
    for _ in 0..4 {
        let mut holder = watch.service();
        holder.ready().await.unwrap();
        holders.push(holder);
    }
    tokio::time::sleep(11 * SECOND).await;
    assert_eq!(watch.attempts(), 0);
    drop(holders);
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    assert_eq!(watch.unready_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_after_the_wait_is_returned_and_the_next_proceeds() {
    let throttle = ThrottleLayer::new();
    let ((breaks, watch), (mended, _)) = (probe(4), probe(4));
    let mut client = throttle.layer(breaks);
    rate_limit(&mut client, &watch).await;
    client.ready().await.unwrap();
    let mut call = task::spawn(client.call(get("/a")));
    assert!(call.poll().is_pending());
    watch.break_readiness(ProbeError("broken for good"));
    tokio::time::advance(11 * SECOND).await;
    let error = loop {
        match call.poll() {
            std::task::Poll::Ready(called) => break called.unwrap_err(),
            std::task::Poll::Pending => yield_now().await,
        }
    };
    assert_eq!(find::<ProbeError>(error.as_ref()), Some(&ProbeError("broken for good")));
    assert_eq!(watch.attempts(), 0);
    // Its permit is free although the future is still kept.
    let start = Instant::now();
    let error = send(&mut throttle.layer(mended), get("/b")).await.map(|_| millis(start));
    assert_eq!(error.unwrap(), 0);
    drop(call);
}

#[tokio::test(start_paused = true)]
async fn an_exempt_endpoint_is_neither_queued_nor_learned_from() {
    let (probe, watch) = probe(4);
    let layer = ThrottleLayer::new().endpoint("/health".parse().unwrap(), |config| config.exempt());
    let handle = layer.handle();
    let mut client = layer.layer(probe);
    watch.respond(429, &[("retry-after", "10")]);
    send(&mut client, get("/health")).await.unwrap();
    send(&mut client, get("/health")).await.unwrap();
    assert_eq!(watch.attempts(), 2);
    assert!(handle.snapshot().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_layer_can_be_built_outside_of_a_runtime_and_its_parts_can_go_anywhere() {
    fn anywhere<T: Clone + Send + Sync + 'static>(_: &T) {}
    let (probe, _) = probe(1);
    let layer = ThrottleLayer::new();
    anywhere(&layer);
    anywhere(&layer.handle());
    anywhere(&layer.layer(probe));
    assert!(Arc::new(format!("{layer:?} {:?}", layer.handle())).contains("ThrottleLayer"));
}
