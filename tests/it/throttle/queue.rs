//! Which requests are queued, in which order, and that none is forgotten.

use std::time::Duration;

use tokio::{
    task::yield_now,
    time::{Instant, advance, sleep},
};
use tokio_test::task;
use tower::{Layer, Service, ServiceExt};
use tower_heed::{ThrottleLayer, extensions::Priority};

use super::{SECOND, millis, only, paths, rate_limit, rate_limited, send, spawn};
use crate::support::{
    probe::{Body, ProbeError, ScriptedResponse, probe},
    scripted::get,
};

fn marked(path: &str, priority: Priority) -> http::Request<Body> {
    let mut request = get(path);
    request.extensions_mut().insert(priority);
    request
}

#[tokio::test(start_paused = true)]
async fn one_429_queues_all_requests_of_its_key_in_order() {
    let (client, watch) = rate_limited().await;
    let start = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..9 {
        tasks.push(spawn(&client, get(&format!("/{number}"))).await);
    }
    sleep(9 * SECOND).await;
    assert_eq!(watch.attempts(), 0, "sent while the server rate limits");
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap().status(), 200);
    }
    assert!((10_000..11_000).contains(&millis(start)), "{} ms", millis(start));
    assert_eq!(paths(&watch), ["/0", "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8"]);
}

#[tokio::test(start_paused = true)]
async fn of_four_permits_three_go_to_the_highest_priority_and_one_to_the_longest_wait() {
    let (client, watch) = rate_limited().await;
    let mut tasks = Vec::new();
    for number in 0..3 {
        tasks.push(spawn(&client, marked(&format!("/bulk{number}"), Priority::Low)).await);
    }
    for number in 0..7 {
        tasks.push(spawn(&client, marked(&format!("/login{number}"), Priority::High)).await);
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let mut sent = paths(&watch);
    // Requests that are admitted at one moment are sent in the runtime's order.
    sent.chunks_mut(4).for_each(<[String]>::sort);
    let expected = [
        "/bulk0", "/login0", "/login1", "/login2", "/bulk1", "/login3", "/login4", "/login5",
        "/bulk2", "/login6",
    ];
    assert_eq!(sent, expected);
}

#[tokio::test(start_paused = true)]
async fn a_request_can_override_the_priority_of_its_endpoint() {
    let (probe, watch) = probe(4);
    let layer = ThrottleLayer::new();
    let layer =
        layer.endpoint("/login/{n}".parse().unwrap(), |config| config.priority(Priority::High));
    let mut client = layer.layer(probe);
    rate_limit(&mut client, &watch).await;
    let mut tasks = vec![spawn(&client, get("/first")).await];
    tasks.push(spawn(&client, marked("/login/1", Priority::Low)).await);
    tasks.push(spawn(&client, get("/login/2")).await);
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(paths(&watch), ["/login/2", "/first", "/login/1"]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_waiter_leaves_the_queue_and_the_next_proceeds() {
    let (client, watch) = rate_limited().await;
    let start = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..5 {
        tasks.push(spawn(&client, get(&format!("/{number}"))).await);
    }
    // The first has the timer, the fourth has not.
    tasks[0].abort();
    tasks[3].abort();
    for (number, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.is_ok(), number != 0 && number != 3);
    }
    assert!(millis(start) < 11_000, "{} ms", millis(start));
    assert_eq!(paths(&watch), ["/1", "/2", "/4"]);
}

#[tokio::test(start_paused = true)]
async fn an_unused_permit_goes_to_the_next() {
    let (mut client, watch) = rate_limited().await;
    let mut calls: Vec<_> = (0..3)
        .map(|number| {
            let ready = client.ready();
            assert!(task::spawn(ready).poll().is_ready());
            task::spawn(client.call(get(&format!("/{number}"))))
        })
        .collect();
    for call in &mut calls {
        assert!(call.poll().is_pending());
    }
    advance(11 * SECOND).await;
    assert!(calls[0].is_woken() && !calls[1].is_woken());
    // The first owns the timer, and is dropped when it fires.
    drop(calls.remove(0));
    assert!(calls[0].is_woken(), "no request owns the timer");
    assert!(calls[0].poll().is_ready());
    assert_eq!(calls.remove(1).await.unwrap().status(), 200);
    assert_eq!(paths(&watch), ["/1", "/2"]);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_dropped_before_its_poll_passes_its_permit_on() {
    let (probe, watch) = probe(4);
    let mut client = ThrottleLayer::new().layer(probe);
    // Nothing is known, so the second waits for the response to the first.
    watch.push(ScriptedResponse::never());
    let mut begun = Vec::new();
    for number in 0..3 {
        client.ready().await.unwrap();
        let mut call = task::spawn(client.call(get(&format!("/{number}"))));
        assert!(call.poll().is_pending());
        begun.push(call);
    }
    assert_eq!(watch.attempts(), 1);
    // The first is lost; it may still be counted for half a second after it was sent.
    advance(SECOND).await;
    drop(begun.remove(0));
    assert!(begun[0].is_woken(), "the permit was not passed on");
    drop(begun.remove(0));
    assert!(begun[0].is_woken(), "the permit was lost with the request that had it");
    assert!(begun[0].poll().is_ready());
    assert_eq!(paths(&watch), ["/0", "/2"]);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_not_polled_delays_others_for_a_second() {
    let (mut client, watch) = rate_limited().await;
    client.ready().await.unwrap();
    let mut kept = task::spawn(client.call(get("/kept")));
    assert!(kept.poll().is_pending());
    advance(20 * SECOND).await;
    // The permit goes to the request that has waited longest, which does not use it: after a second another is sent.
    let start = Instant::now();
    let late = spawn(&client, get("/late")).await;
    assert_eq!(late.await.unwrap().unwrap().status(), 200);
    assert!((1_000..1_010).contains(&millis(start)), "{} ms", millis(start));
    drop(kept);
    assert_eq!(paths(&watch), ["/late"]);
}

#[tokio::test(start_paused = true)]
async fn after_an_error_and_a_dropped_attempt_the_next_proceeds() {
    let (probe, watch) = probe(4);
    let client = ThrottleLayer::new().layer(probe);
    watch.push(ScriptedResponse::error(ProbeError("lost")));
    watch.push(ScriptedResponse::never());
    let start = Instant::now();
    assert!(spawn(&client, get("/lost")).await.await.unwrap().is_err());
    let hangs = spawn(&client, get("/hangs")).await;
    let next = spawn(&client, get("/next")).await;
    sleep(SECOND).await;
    hangs.abort();
    assert_eq!(next.await.unwrap().unwrap().status(), 200);
    assert!(millis(start) < 3_000, "{} ms", millis(start));
}

#[tokio::test(start_paused = true)]
async fn no_request_polls_in_a_loop() {
    let (mut client, watch) = rate_limited().await;
    let mut calls = Vec::new();
    for number in 0..64 {
        client.ready().await.unwrap();
        calls.push(task::spawn(client.call(get(&format!("/{number}")))));
    }
    for call in &mut calls {
        assert!(call.poll().is_pending());
        assert!(!call.is_woken(), "woken without a reason");
    }
    for _ in 0..9 {
        advance(SECOND).await;
        yield_now().await;
        let woken = calls.iter().filter(|call| call.is_woken()).count();
        assert_eq!(woken, 0, "woken before the time");
    }
    advance(SECOND + Duration::from_millis(10)).await;
    yield_now().await;
    let woken = calls.iter().filter(|call| call.is_woken()).count();
    assert_eq!(woken, 1, "one owns the timer for all");
    assert_eq!(watch.attempts(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_shows_the_queue_and_what_is_known() {
    let (probe, watch) = probe(4);
    let layer = ThrottleLayer::new();
    let handle = layer.handle();
    let mut client = layer.layer(probe);
    assert!(handle.snapshot().is_empty());
    let counted =
        &[("ratelimit-limit", "9"), ("ratelimit-remaining", "4"), ("ratelimit-reset", "30")];
    watch.respond(200, counted);
    send(&mut client, get("/")).await.unwrap();
    let shown = only(handle.snapshot());
    assert_eq!(shown.key(), "https://id.example");
    assert_eq!((shown.limit(), shown.remaining(), shown.queued()), (Some(9), Some(4), 0));

    rate_limit(&mut client, &watch).await;
    let waiting = [spawn(&client, get("/a")).await, spawn(&client, get("/b")).await];
    let shown = only(handle.snapshot());
    assert_eq!((shown.queued(), shown.in_flight()), (2, 0));
    assert!(shown.reset() > Some(9 * SECOND), "{shown:?}");
    sleep(SECOND).await;
    let shown = only(handle.snapshot());
    assert_eq!(shown.queued_of(Priority::Normal), (2, Some(SECOND)));
    assert_eq!(shown.queued_of(Priority::High), (0, None));
    assert!(shown.blocked() > Some(8 * SECOND), "{shown:?}");
    waiting.iter().for_each(|task| task.abort());
    yield_now().await;
    drop(waiting);
    assert_eq!(only(handle.snapshot()).queued(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_forgotten_is_served_as_a_new_one() {
    let (probe, watch) = probe(4);
    let layer = ThrottleLayer::new();
    let handle = layer.handle();
    let mut client = layer.layer(probe);
    rate_limit(&mut client, &watch).await;
    let waiting = [spawn(&client, get("/a")).await, spawn(&client, get("/b")).await];
    let start = Instant::now();
    assert!(!handle.forget("https://other.example"));
    assert!(handle.forget("https://id.example"));
    for task in waiting {
        assert_eq!(task.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(millis(start), 0);
    assert_eq!(only(handle.snapshot()).blocked(), None);
}
