//! The handler of `on_unauthenticated`: when it runs, and when it does not.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use http::{Request, Response};
use tokio::{
    runtime,
    sync::Semaphore,
    task::JoinSet,
    time::{advance, sleep},
};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, ServiceExt};
use tower_heed::{
    ErrorClassifyLayer,
    classify::{AuthStatus::*, ErrorClassify},
    extensions::Recovery,
};
use tower_test::mock::{self, Mock, SendResponse};

use crate::support::{
    events::Events,
    probe::{Body, Probe},
    scripted::{as_asked, get, response, scripted},
};

type Held = (Request<Body>, SendResponse<Response<Body>>);

/// A layer whose handler counts its runs and does nothing else.
fn counting() -> (ErrorClassifyLayer, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let layer = ErrorClassifyLayer::new().on_unauthenticated(move || {
        counted.fetch_add(1, SeqCst);
        async {}
    });
    (layer, runs)
}

async fn ask(client: &ErrorClassify<Probe>, path: &str) -> u16 {
    client.clone().oneshot(get(path)).await.unwrap().status().as_u16()
}

/// Lets the tasks run that are ready to.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// The handler may run again, however often it has run in vain.
async fn later() {
    advance(Duration::from_secs(15 * 60)).await;
}

/// Sends `count` requests and holds their responses back.
async fn hold(
    client: &ErrorClassify<Mock<Request<Body>, Response<Body>>>,
    handle: &mut mock::Handle<Request<Body>, Response<Body>>,
    calls: &mut JoinSet<u16>,
    count: usize,
) -> Vec<Held> {
    let mut held = Vec::new();
    for _ in 0..count {
        let call = client.clone().oneshot(get("/"));
        calls.spawn(async { call.await.unwrap().status().as_u16() });
        held.push(handle.next_request().await.unwrap());
    }
    held
}

fn respond(held: impl IntoIterator<Item = Held>, status: u16) {
    for (_, send) in held {
        send.send_response(response(status, &[]));
    }
}

#[tokio::test]
async fn a_rejection_runs_the_handler_and_other_failures_do_not() {
    let (layer, runs) = counting();
    let client = layer.layer(as_asked());
    for status in [400, 403, 404, 408, 409, 422, 425, 429, 500, 502, 503, 504] {
        ask(&client, &format!("/{status}")).await;
        settle().await;
        assert_eq!(runs.load(SeqCst), 0, "{status}");
    }
    ask(&client, "/401").await;
    settle().await;
    assert_eq!(runs.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limited_api_and_recovery_are_no_sign_out() {
    let api = scripted(|_| response(429, &[("retry-after", "1")]));
    let layer = ErrorClassifyLayer::new();
    let recovering = layer.layer(api.clone());
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let client = layer
        .clone()
        .on_unauthenticated(move || {
            counted.fetch_add(1, SeqCst);
            let client = recovering.clone();
            async move { drop(client.oneshot(get("/touch")).await) }
        })
        .layer(api.clone());
    ask(&client, "/users/1").await;
    // The recovery call, as an application would send it by itself.
    let mut touch = get("/touch");
    touch.extensions_mut().insert(Recovery);
    drop(client.clone().oneshot(touch).await.unwrap());
    settle().await;
    assert_eq!(layer.status().get(), Degraded);
    assert_eq!((runs.load(SeqCst), api.handle().attempts()), (0, 2));
}

#[tokio::test]
async fn a_limited_login_is_tried_once_and_leaves_the_session_signed_out() {
    let api = scripted(|request| match request.uri().path() {
        "/login" => response(429, &[("retry-after", "1")]),
        _ => response(401, &[]),
    });
    let layer = ErrorClassifyLayer::new();
    let recovering = layer.layer(api.clone());
    let client = layer
        .clone()
        .on_unauthenticated(move || {
            let client = recovering.clone();
            async move { drop(client.oneshot(get("/login")).await) }
        })
        .layer(api.clone());
    for _ in 0..50 {
        ask(&client, "/users/1").await;
        settle().await;
    }
    assert_eq!(layer.status().get(), Unauthenticated);
    assert_eq!(api.handle().attempts(), 51, "50 requests and one login");
}

#[tokio::test]
async fn a_hundred_rejections_at_once_run_the_handler_once() {
    let (layer, runs) = counting();
    let (api, mut handle) = mock::pair();
    handle.allow(100);
    let client = layer.layer(api);
    let mut calls = JoinSet::new();
    let held = hold(&client, &mut handle, &mut calls, 100).await;
    respond(held, 401);
    assert_eq!(calls.join_all().await, [401; 100]);
    settle().await;
    assert_eq!(runs.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_rejections_on_four_threads_run_the_handler_once() {
    for _ in 0..20 {
        let (layer, runs) = counting();
        let client = layer.layer(as_asked());
        let gate = Arc::new(Semaphore::new(0));
        let mut calls = JoinSet::new();
        for _ in 0..100 {
            let (client, gate) = (client.clone(), Arc::clone(&gate));
            calls.spawn(async move {
                let _permit = gate.acquire().await.unwrap();
                ask(&client, "/401").await
            });
        }
        gate.add_permits(100);
        calls.join_all().await;
        while runs.load(SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        settle().await;
        assert_eq!(runs.load(SeqCst), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_success_is_active_and_a_later_rejection_runs_the_handler_again() {
    let (layer, runs) = counting();
    let client = layer.layer(as_asked());
    for round in 1..=3 {
        for _ in 0..5 {
            ask(&client, "/401").await;
            settle().await;
        }
        assert_eq!(layer.status().get(), Unauthenticated);
        assert_eq!(runs.load(SeqCst), round);
        ask(&client, "/200").await;
        assert_eq!(layer.status().get(), Active);
        later().await;
    }
}

/// Rule 39: a session that flaps, because one endpoint rejects all credentials.
#[tokio::test(start_paused = true)]
async fn rule_39_runs_of_the_handler_have_a_least_distance() {
    let (layer, runs) = counting();
    let client = layer.layer(as_asked());
    for (secs, expected) in [(11, 1), (30, 2), (100, 3)] {
        for _ in 0..secs {
            ask(&client, "/200").await;
            ask(&client, "/401").await;
            settle().await;
            advance(Duration::from_secs(1)).await;
        }
        assert_eq!(runs.load(SeqCst), expected, "after {secs} s more");
    }
    // The negative: the next sign-out long after is handled at once.
    ask(&client, "/200").await;
    later().await;
    ask(&client, "/401").await;
    settle().await;
    assert_eq!(runs.load(SeqCst), 4);
}

/// Signs in and out again, so that the handler is due before it may run.
async fn sign_out_too_soon(client: &ErrorClassify<Probe>, runs: &AtomicUsize) {
    for path in ["/401", "/200", "/401", "/401", "/200", "/401"] {
        ask(client, path).await;
        settle().await;
    }
    assert_eq!(runs.load(SeqCst), 1);
}

/// Rule 39: nothing is sent while a program waits for the end of a sign-out.
#[tokio::test(start_paused = true)]
async fn rule_39_a_sign_out_too_soon_is_handled_without_another_request() {
    let (layer, runs) = counting();
    let client = layer.layer(as_asked());
    sign_out_too_soon(&client, &runs).await;
    let tasks = runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(tasks, 1, "one task waits, however many rejections there are");
    advance(Duration::from_secs(29)).await;
    settle().await;
    assert_eq!(runs.load(SeqCst), 1);
    advance(Duration::from_secs(1)).await;
    settle().await;
    assert_eq!(runs.load(SeqCst), 2);
    later().await;
    settle().await;
    assert_eq!(runs.load(SeqCst), 2, "one run for one sign-out");
}

#[tokio::test(start_paused = true)]
async fn rule_39_a_sign_out_that_is_over_when_its_time_comes_has_no_run() {
    let (layer, runs) = counting();
    let client = layer.layer(as_asked());
    sign_out_too_soon(&client, &runs).await;
    ask(&client, "/200").await;
    later().await;
    settle().await;
    assert_eq!(runs.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn the_task_that_waits_for_its_time_ends_with_the_session() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let layer = ErrorClassifyLayer::new();
    let recovering = layer.layer(as_asked());
    // The handler holds a client of the session, as handlers do.
    let layer = layer.on_unauthenticated(move || {
        counted.fetch_add(1, SeqCst);
        let client = recovering.clone();
        async move { drop(client) }
    });
    let client = layer.layer(as_asked());
    sign_out_too_soon(&client, &runs).await;
    let mut status = layer.status();
    drop((layer, client));
    assert_eq!(status.until(|status| status == Active).await, None);
    settle().await;
    assert_eq!(runtime::Handle::current().metrics().num_alive_tasks(), 0);
    assert_eq!(runs.load(SeqCst), 1);
}

/// Rule 39: a 401 that says that the credentials are good is no sign-out.
#[tokio::test(start_paused = true)]
async fn rule_39_the_session_reads_challenges() {
    for (challenge, expected) in [
        ("Bearer error=\"insufficient_scope\"", Active),
        ("Bearer error=\"insufficient_user_authentication\"", Active),
        ("Bearer error=\"invalid_request\"", Active),
        ("DPoP error=\"use_dpop_nonce\"", Active),
        ("Bearer error=\"invalid_token\"", Unauthenticated),
        ("Bearer", Unauthenticated),
        ("Basic realm=\"api\"", Unauthenticated),
    ] {
        let (layer, runs) = counting();
        let client = layer.layer(scripted(move |request| match request.uri().path() {
            "/users" => response(200, &[]),
            _ => response(401, &[("www-authenticate", challenge)]),
        }));
        ask(&client, "/users").await;
        ask(&client, "/admin").await;
        settle().await;
        assert_eq!(layer.status().get(), expected, "{challenge}");
        assert_eq!(runs.load(SeqCst), usize::from(expected == Unauthenticated), "{challenge}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_of_the_handler_do_not_start_it_again() {
    let api = as_asked();
    let layer = ErrorClassifyLayer::new();
    let recovering = Arc::new(Mutex::new(None::<ErrorClassify<Probe>>));
    let runs = Arc::new(AtomicUsize::new(0));
    let (inside, counted) = (Arc::clone(&recovering), Arc::clone(&runs));
    // The very client that has the handler, so that nothing but the layer keeps it from recursing.
    let client = layer
        .clone()
        .on_unauthenticated(move || {
            counted.fetch_add(1, SeqCst);
            let client = inside.lock().unwrap().clone().unwrap();
            async move {
                // Rejected, signed in, rejected again: a sign-out that the handler itself brings about.
                for path in ["/401", "/401", "/200", "/401", "/200", "/401"] {
                    ask(&client, path).await;
                    settle().await;
                }
            }
        })
        .layer(api.clone());
    *recovering.lock().unwrap() = Some(client.clone());

    ask(&client, "/401").await;
    while api.handle().attempts() < 7 {
        settle().await;
    }
    settle().await;
    assert_eq!((runs.load(SeqCst), api.handle().attempts()), (1, 7));
    assert_eq!(layer.status().get(), Unauthenticated);

    // The sign-out has had no run of its own: the first rejection from outside starts it.
    later().await;
    ask(&client, "/401").await;
    settle().await;
    assert_eq!(runs.load(SeqCst), 2);
    *recovering.lock().unwrap() = None;
}

#[tokio::test(start_paused = true)]
async fn requests_of_a_task_that_outlives_the_run_need_the_mark() {
    for (marked, expected) in [(true, 1), (false, 2)] {
        let recovering = Arc::new(Mutex::new(None::<ErrorClassify<Probe>>));
        let runs = Arc::new(AtomicUsize::new(0));
        let (inside, counted) = (Arc::clone(&recovering), Arc::clone(&runs));
        let layer = ErrorClassifyLayer::new().on_unauthenticated(move || {
            let run = counted.fetch_add(1, SeqCst);
            let client = inside.lock().unwrap().clone().unwrap();
            async move {
                let task = async move {
                    settle().await;
                    later().await;
                    for path in ["/200", "/401"] {
                        let mut request = get(path);
                        if marked {
                            request.extensions_mut().insert(Recovery);
                        }
                        drop(client.clone().oneshot(request).await.unwrap());
                    }
                };
                if run == 0 {
                    drop(tokio::spawn(task));
                }
            }
        });
        let client = layer.layer(as_asked());
        *recovering.lock().unwrap() = Some(client.clone());
        ask(&client, "/401").await;
        for _ in 0..10 {
            settle().await;
        }
        assert_eq!(runs.load(SeqCst), expected, "marked: {marked}");
        *recovering.lock().unwrap() = None;
    }
}

/// Rejections of the old credentials that arrive when the new ones are in place used to sign out the new session.
#[tokio::test(start_paused = true)]
async fn a_late_rejection_of_an_older_request_is_no_new_sign_out() {
    let (layer, runs) = counting();
    let (api, mut handle) = mock::pair();
    handle.allow(200);
    let client = layer.layer(api);
    let mut calls = JoinSet::new();
    let mut old = hold(&client, &mut handle, &mut calls, 100).await;
    respond(old.drain(..1), 401);
    settle().await;
    assert_eq!((runs.load(SeqCst), layer.status().get()), (1, Unauthenticated));
    // One more that is sent while signed out, with the old credentials as well.
    old.extend(hold(&client, &mut handle, &mut calls, 1).await);

    respond(hold(&client, &mut handle, &mut calls, 1).await, 200);
    settle().await;
    assert_eq!(layer.status().get(), Active);
    let mut status = layer.status();

    respond(old, 401);
    settle().await;
    assert_eq!((runs.load(SeqCst), layer.status().get()), (1, Active));
    assert_pending!(task::spawn(status.changed()).poll());

    // The negative: a rejection of a request that was sent after the recovery.
    later().await;
    respond(hold(&client, &mut handle, &mut calls, 1).await, 401);
    settle().await;
    assert_eq!((runs.load(SeqCst), status.get()), (2, Unauthenticated));
    calls.join_all().await;
}

#[tokio::test]
async fn a_late_success_of_an_older_request_is_no_sign_in() {
    let (layer, runs) = counting();
    let (api, mut handle) = mock::pair();
    handle.allow(10);
    let client = layer.layer(api);
    let mut calls = JoinSet::new();
    let mut old = hold(&client, &mut handle, &mut calls, 2).await;
    respond(old.drain(..1), 401);
    settle().await;
    respond(old, 200);
    settle().await;
    assert_eq!((runs.load(SeqCst), layer.status().get()), (1, Unauthenticated));
    calls.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn the_response_does_not_wait_for_the_handler_and_one_run_ends_before_the_next() {
    let running = Arc::new(AtomicUsize::new(0));
    let runs = Arc::new(AtomicUsize::new(0));
    let (now, counted) = (Arc::clone(&running), Arc::clone(&runs));
    let layer = ErrorClassifyLayer::new().on_unauthenticated(move || {
        assert_eq!(now.fetch_add(1, SeqCst), 0, "two runs at a time");
        counted.fetch_add(1, SeqCst);
        let now = Arc::clone(&now);
        async move {
            sleep(Duration::from_secs(60)).await;
            now.fetch_sub(1, SeqCst);
        }
    });
    let client = layer.layer(as_asked());
    let mut call = task::spawn(client.clone().oneshot(get("/401")));
    assert_ready!(call.poll()).unwrap();
    settle().await;
    assert_eq!(runs.load(SeqCst), 1);

    // Signed in and out again while the handler is at work.
    ask(&client, "/200").await;
    ask(&client, "/401").await;
    sleep(Duration::from_secs(59)).await;
    ask(&client, "/401").await;
    assert_eq!(runs.load(SeqCst), 1);
    sleep(Duration::from_secs(2)).await;
    assert_eq!((runs.load(SeqCst), running.load(SeqCst)), (1, 0));
    ask(&client, "/401").await;
    settle().await;
    assert_eq!((runs.load(SeqCst), running.load(SeqCst)), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_runs_again_at_the_next_change() {
    let events = Events::record();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let layer = ErrorClassifyLayer::new().on_unauthenticated(move || {
        // Once before there is a future, once in it.
        assert!(counted.fetch_add(1, SeqCst) > 0, "the handler's own fault");
        async { panic!("the handler's own fault, later") }
    });
    let client = layer.layer(as_asked());
    for round in 1..=3 {
        for _ in 0..3 {
            ask(&client, "/401").await;
            settle().await;
        }
        assert_eq!(runs.load(SeqCst), round);
        assert_eq!(events.named("the unauthenticated handler panicked").len(), round);
        later().await;
        ask(&client, "/200").await;
        assert_eq!(layer.status().get(), Active);
    }
}

#[test]
fn without_a_runtime_the_handler_waits_for_a_rejection_that_has_one() {
    let events = Events::record();
    let (layer, runs) = counting();
    let client = layer.layer(as_asked());
    for _ in 0..2 {
        let mut call = task::spawn(client.clone().oneshot(get("/401")));
        assert_ready!(call.poll()).unwrap();
    }
    assert_eq!((runs.load(SeqCst), layer.status().get()), (0, Unauthenticated));
    let message = "the unauthenticated handler was not started: no tokio runtime on this thread";
    assert_eq!(events.named(message).len(), 1);

    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        ask(&client, "/401").await;
        settle().await;
    });
    assert_eq!(runs.load(SeqCst), 1);
}

#[test]
fn a_run_that_ends_with_its_runtime_does_not_wedge_the_session() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let layer = ErrorClassifyLayer::new().on_unauthenticated(move || {
        counted.fetch_add(1, SeqCst);
        std::future::pending()
    });
    let client = layer.layer(as_asked());
    for round in 1..=2 {
        let runtime = runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            // Each paused clock begins with the real time.
            for _ in 0..round {
                later().await;
            }
            ask(&client, "/200").await;
            ask(&client, "/401").await;
            settle().await;
        });
        assert_eq!(runs.load(SeqCst), round);
    }
}

/// The handler of one API signs in at another, whose own token has to be renewed for that; and that renewal asks the
/// first one.
#[tokio::test]
async fn two_sessions_recover_through_each_other_without_recursion() {
    let slots: [Arc<Mutex<Option<ErrorClassify<Probe>>>>; 2] = Default::default();
    let runs: [Arc<AtomicUsize>; 2] = Default::default();
    let apis = [as_asked(), as_asked()];
    for index in [0, 1] {
        let (own, other) = (Arc::clone(&runs[index]), Arc::clone(&slots[1 - index]));
        let layer = ErrorClassifyLayer::new().on_unauthenticated(move || {
            own.fetch_add(1, SeqCst);
            let other = other.lock().unwrap().clone().unwrap();
            async move { assert_eq!(ask(&other, "/401").await, 401) }
        });
        *slots[index].lock().unwrap() = Some(layer.layer(apis[index].clone()));
    }
    let first = slots[0].lock().unwrap().clone().unwrap();
    ask(&first, "/401").await;
    settle().await;
    assert_eq!(runs.each_ref().map(|runs| runs.load(SeqCst)), [1, 1]);
    assert_eq!(apis.each_ref().map(|api| api.handle().attempts()), [2, 1]);
    for slot in &slots {
        *slot.lock().unwrap() = None;
    }
}

/// A request that the handler sent and left running is rejected when the handler has returned.
#[tokio::test]
async fn a_request_that_outlives_the_run_does_not_start_it_again() {
    let (api, mut handle) = mock::pair();
    handle.allow(10);
    let layer = ErrorClassifyLayer::new();
    let recovering = Arc::new(Mutex::new(None));
    let inside = Arc::clone(&recovering);
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let client = layer
        .clone()
        .on_unauthenticated(move || {
            counted.fetch_add(1, SeqCst);
            let client: ErrorClassify<Mock<_, Response<Body>>> =
                inside.lock().unwrap().clone().unwrap();
            async move {
                client.clone().oneshot(get("/login")).await.unwrap();
                let mut left_running = task::spawn(client.oneshot(get("/me")));
                assert_pending!(left_running.poll());
                drop(tokio::spawn(left_running.into_inner()));
            }
        })
        .layer(api);
    *recovering.lock().unwrap() = Some(client.clone());
    let mut calls = JoinSet::new();
    respond(hold(&client, &mut handle, &mut calls, 1).await, 401);
    let login = handle.next_request().await.unwrap();
    respond([login], 200);
    let left_running = handle.next_request().await.unwrap();
    settle().await;
    respond([left_running], 401);
    settle().await;
    assert_eq!((runs.load(SeqCst), layer.status().get()), (1, Active));
    calls.join_all().await;
    *recovering.lock().unwrap() = None;
}

#[tokio::test]
async fn a_dropped_call_leaves_the_handler_running() {
    let (layer, runs) = counting();
    let (api, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
    handle.allow(2);
    let client = layer.layer(api);
    let mut call = task::spawn(client.oneshot(get("/")));
    assert_pending!(call.poll());
    let held = handle.next_request().await.unwrap();
    respond([held], 401);
    assert_ready!(call.poll()).unwrap();
    drop(call);
    settle().await;
    assert_eq!(runs.load(SeqCst), 1);
}
