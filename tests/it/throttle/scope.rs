//! A limit holds the route that showed it, and others once there is evidence that they share it.

use std::{
    convert::Infallible,
    future::poll_fn,
    num::NonZeroUsize,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::{Request, Response};
use tokio::{
    task::{JoinSet, yield_now},
    time::{Instant, sleep, timeout},
};
use tower::Layer;
use tower_heed::{ThrottleLayer, throttle::Throttle};

use super::{SECOND, millis, send, spawn};
use crate::support::{
    probe::{Body, Probe, ScriptedResponse, Watch, probe},
    scripted::get,
};

fn client() -> (Throttle<Probe>, Watch) {
    let (probe, watch) = probe(80);
    (ThrottleLayer::new().layer(probe), watch)
}

fn counts(watch: &Watch, status: u16, limit: &str, remaining: &str) {
    let headers = [
        ("x-ratelimit-limit", limit),
        ("x-ratelimit-remaining", remaining),
        ("x-ratelimit-reset", "60"),
    ];
    watch.respond(status, &headers);
}

/// Whether a request is queued for more than a second.
async fn is_held(client: &Throttle<Probe>, path: &str) -> bool {
    let start = Instant::now();
    let task = spawn(client, get(path)).await;
    match timeout(SECOND, task).await {
        Ok(called) => {
            called.unwrap().unwrap();
            assert_eq!(millis(start), 0, "{path}");
            false
        }
        Err(_) => true,
    }
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_counter_of_one_route_holds_no_other() {
    for status in [200, 401, 403, 404, 429] {
        let (mut client, watch) = client();
        counts(&watch, status, "10", "0");
        send(&mut client, get("/login")).await.unwrap();
        for number in 0..50 {
            counts(&watch, 200, "50", "40");
            assert!(!is_held(&client, &format!("/api/users/a{number}")).await, "{status}");
        }
        // A wrong password may be one user's.
        let is_denied = [401, 403, 404].contains(&status);
        assert_eq!(is_held(&client, "/login").await, !is_denied, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_counter_of_a_few_routes_is_not_held_by_that_of_another() {
    let (mut client, watch) = client();
    for path in ["/users", "/roles"] {
        counts(&watch, 200, "50", "40");
        send(&mut client, get(path)).await.unwrap();
    }
    counts(&watch, 200, "10", "0");
    send(&mut client, get("/login")).await.unwrap();
    assert!(!is_held(&client, "/users").await);
    assert!(is_held(&client, "/login").await);
}

#[tokio::test(start_paused = true)]
async fn a_counter_that_several_routes_show_holds_them_all() {
    let (mut client, watch) = client();
    for (path, left) in [("/users", "2"), ("/roles", "1"), ("/users", "0")] {
        counts(&watch, 200, "50", left);
        send(&mut client, get(path)).await.unwrap();
    }
    for path in ["/users", "/roles", "/new"] {
        assert!(is_held(&client, path).await, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_counter_on_a_route_that_was_let_through_holds_it_from_then_on() {
    let (mut client, watch) = client();
    counts(&watch, 200, "50", "0");
    send(&mut client, get("/users")).await.unwrap();
    counts(&watch, 429, "50", "0");
    assert!(!is_held(&client, "/roles").await);
    for path in ["/users", "/roles", "/new"] {
        assert!(is_held(&client, path).await, "{path}");
    }
    // From then on, too, a counter of one route is that route's.
    sleep(120 * SECOND).await;
    for status in [403, 200] {
        counts(&watch, 200, "50", "40");
        send(&mut client, get("/users")).await.unwrap();
        counts(&watch, status, "10", "0");
        send(&mut client, get("/login")).await.unwrap();
        for path in ["/users", "/roles", "/new"] {
            counts(&watch, 200, "50", "40");
            assert!(!is_held(&client, path).await, "{path}, {status}");
        }
        assert_eq!(is_held(&client, "/login").await, status == 200);
    }
}

#[tokio::test(start_paused = true)]
async fn requests_without_room_for_a_slot_do_not_wake_each_other() {
    let (probe, watch) = probe(4);
    let mut client = ThrottleLayer::new().max_keys(NonZeroUsize::MIN).layer(probe);
    counts(&watch, 200, "10", "0");
    send(&mut client, get("/login")).await.unwrap();
    let polls = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for path in ["/a", "/b", "/c"] {
        let (mut client, polls) = (client.clone(), Arc::clone(&polls));
        tasks.spawn(async move {
            let mut called = pin!(send(&mut client, get(path)));
            poll_fn(|cx| {
                polls.fetch_add(1, Ordering::Relaxed);
                called.as_mut().poll(cx)
            })
            .await
        });
    }
    for _ in 0..100 {
        yield_now().await;
    }
    let polls = polls.load(Ordering::Relaxed);
    assert!((3..=10).contains(&polls), "{polls} polls");
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
    assert_eq!(watch.attempts(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_is_unavailable_closes_no_other() {
    let server = tower::service_fn(|request: Request<Body>| async move {
        sleep(SECOND / 200).await;
        let is_closed = request.uri().path() == "/reports";
        let response = Response::builder().status(if is_closed { 503 } else { 200 });
        Ok::<_, Infallible>(response.body(Body::default()).unwrap())
    });
    let client = ThrottleLayer::new().layer(server);
    let mut calls = JoinSet::new();
    for _ in 0..600 {
        for number in 0..10 {
            let mut client = client.clone();
            let is_user = number == 9;
            calls.spawn(async move {
                let request = get(if is_user { "/users" } else { "/reports" });
                let called = timeout(SECOND, send(&mut client, request)).await;
                let is_ok = called.is_ok_and(|called| called.is_ok_and(|ok| ok.status() == 200));
                usize::from(is_user && is_ok)
            });
        }
        sleep(SECOND / 10).await;
    }
    let ok: usize = calls.join_all().await.into_iter().sum();
    assert!(ok >= 570, "{ok} of 600");
}

#[tokio::test(start_paused = true)]
async fn a_key_with_a_blocked_route_is_evicted_after_those_that_are_not() {
    let (probe, watch) = probe(4);
    let layer = ThrottleLayer::new()
        .max_keys(NonZeroUsize::new(4).unwrap())
        .key(|head| head.headers.get("x-tenant")?.to_str().ok().map(Into::into));
    let mut client = layer.layer(probe);
    watch.respond(429, &[("retry-after", "10")]);
    send(&mut client, get("/reports")).await.unwrap();
    assert!(!is_held(&client, "/users").await);
    for number in 0..100_u32 {
        let mut request = get("/");
        request.headers_mut().insert("x-tenant", number.into());
        send(&mut client, request).await.unwrap();
    }
    assert!(is_held(&client, "/reports").await);
    assert!(!is_held(&client, "/users").await);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_holds_its_route_and_a_second_one_holds_all() {
    let (mut client, watch) = client();
    send(&mut client, get("/pods")).await.unwrap();
    watch.respond(429, &[("retry-after", "10")]);
    send(&mut client, get("/eviction")).await.unwrap();
    assert!(is_held(&client, "/eviction").await);
    for path in ["/pods", "/nodes"] {
        assert!(!is_held(&client, path).await, "{path}");
    }
    watch.respond(429, &[("retry-after", "10")]);
    send(&mut client, get("/pods")).await.unwrap();
    for path in ["/pods", "/eviction", "/nodes"] {
        assert!(is_held(&client, path).await, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_wait_behind_a_route_are_let_go_when_the_limit_is_its_own() {
    let (client, watch) = client();
    counts(&watch, 200, "10", "1");
    send(&mut client.clone(), get("/login")).await.unwrap();
    watch.push(ScriptedResponse::never());
    let login = spawn(&client, get("/login")).await;
    let start = Instant::now();
    let others = [spawn(&client, get("/a")).await, spawn(&client, get("/b")).await];
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert_eq!(millis(start), 0);
    login.abort();
}

#[tokio::test(start_paused = true)]
async fn a_blocked_key_is_evicted_after_those_that_are_not() {
    let (probe, watch) = probe(4);
    let layer = ThrottleLayer::new()
        .max_keys(NonZeroUsize::new(4).unwrap())
        .key(|head| head.headers.get("x-tenant")?.to_str().ok().map(Into::into));
    let mut client = layer.layer(probe);
    super::rate_limit(&mut client, &watch).await;
    for number in 0..100_u32 {
        let mut request = get("/");
        request.headers_mut().insert("x-tenant", number.into());
        send(&mut client, request).await.unwrap();
    }
    assert!(is_held(&client, "/").await);
    sleep(10 * SECOND).await;
    assert!(!is_held(&client, "/").await);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_a_known_exhausted_counter_holds_its_requests() {
    let (mut client, watch) = client();
    counts(&watch, 200, "50", "40");
    send(&mut client, get("/users")).await.unwrap();
    // Other processes have used the units.
    counts(&watch, 403, "50", "0");
    send(&mut client, get("/users")).await.unwrap();
    assert!(is_held(&client, "/users").await);
}

#[tokio::test(start_paused = true)]
async fn refusals_in_a_row_by_an_exhausted_counter_are_the_limit() {
    let (mut client, watch) = client();
    for _ in 0..2 {
        counts(&watch, 403, "10", "0");
        send(&mut client, get("/users")).await.unwrap();
    }
    assert!(is_held(&client, "/users").await);
    for path in ["/roles", "/new"] {
        assert!(!is_held(&client, path).await, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_do_not_open_an_exhausted_limit() {
    let headers =
        [("x-ratelimit-limit", "50"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "60")];
    let refused = crate::support::scripted::scripted(move |_| {
        crate::support::scripted::response(403, &headers)
    });
    let watch = refused.handle();
    let client = ThrottleLayer::new().layer(refused.permits(80));
    let mut calls = Vec::new();
    for _ in 0..40 {
        calls.push(spawn(&client, get("/users")).await);
    }
    sleep(30 * SECOND).await;
    assert!(watch.attempts() <= 2, "{} sent into an exhausted limit", watch.attempts());
    calls.iter().for_each(tokio::task::JoinHandle::abort);
}

/// A request of one caller on the route that all of these tests use.
fn of(caller: &'static str) -> Request<Body> {
    let mut request = get("/userinfo");
    request.headers_mut().insert("authorization", http::HeaderValue::from_static(caller));
    request
}

/// Whether a request is sent within a second.
async fn is_sent(client: &Throttle<Probe>, request: Request<Body>) -> bool {
    let task = spawn(client, request).await;
    timeout(SECOND, task).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_each_caller_holds_that_caller_only() {
    let (mut client, watch) = client();
    for (caller, left) in [("a", "1"), ("b", "4"), ("a", "0")] {
        counts(&watch, 200, "5", left);
        send(&mut client, of(caller)).await.unwrap();
    }
    assert!(!is_sent(&client, of("a")).await);
    for caller in ["c", "d", "e"] {
        counts(&watch, 200, "5", "4");
        assert!(is_sent(&client, of(caller)).await, "{caller}");
    }
    assert!(!is_sent(&client, of("a")).await, "its limit is known");
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_one_other_caller_meets_too_holds_all_callers() {
    for (status, left) in [(429, "0"), (200, "0")] {
        let (mut client, watch) = client();
        for (caller, left) in [("b", "1"), ("a", "1"), ("a", "0")] {
            counts(&watch, 200, "5", left);
            send(&mut client, of(caller)).await.unwrap();
        }
        counts(&watch, status, "5", left);
        assert!(is_sent(&client, of("b")).await, "one is sent to see");
        for caller in ["a", "b", "c", "d"] {
            assert!(!is_sent(&client, of(caller)).await, "{caller}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_one_path_holds_that_path_only() {
    let (mut client, watch) = client();
    // The first rejection is waited out by all.
    for _ in 0..2 {
        watch.respond(429, &[("retry-after", "10")]);
        send(&mut client, get("/pods/1/eviction")).await.unwrap();
        sleep(11 * SECOND).await;
        send(&mut client, get("/pods/2/eviction")).await.unwrap();
    }
    watch.respond(429, &[("retry-after", "10")]);
    send(&mut client, get("/pods/1/eviction")).await.unwrap();
    for path in ["/pods/2/eviction", "/pods/3/eviction"] {
        assert!(is_sent(&client, get(path)).await, "{path}");
    }
    assert!(!is_sent(&client, get("/pods/1/eviction")).await);
}
