//! Fetches that no call waits for.

use std::convert::Infallible;

use tower::service_fn;

use super::*;
use crate::body::script::{Script, Step};

/// A server that sends a part of its response and then nothing, or nothing at all. The bodies that live share the count.
fn stalling(
    bytes: usize,
    alive: &Arc<()>,
) -> impl Service<Request<Body>, Response = Response<Script>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ use<> {
    let alive = Arc::clone(alive);
    service_fn(move |_: Request<Body>| {
        let alive = Arc::clone(&alive);
        async move {
            if bytes == 0 {
                std::future::pending::<()>().await;
            }
            let data = Bytes::from(vec![b'x'; bytes]);
            let body = Script::new([Step::Data(data), Step::Hang]);
            // The task of the fetch holds it as long as it waits for the body.
            let response = Response::new(body.promising(1 + bytes as u64));
            drop(alive);
            Ok(response)
        }
    })
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Begins a call and drops it after this time.
async fn leave<S>(client: &S, path: &str, after: Duration)
where
    S: Service<Request<Body>, Response = Response<CacheBody<Script>>, Error = BoxError> + Clone,
{
    let mut client = client.clone();
    let call = client.ready().await.unwrap().call(get(path));
    drop(tokio::time::timeout(after, call).await);
}

#[tokio::test(start_paused = true)]
async fn fetches_that_nobody_waits_for_are_few_and_end() {
    for bytes in [0, 200 << 10] {
        let alive = Arc::default();
        let client = layer().layer(stalling(bytes, &alive));
        let before = tasks();
        let mut most = 0;
        for user in 0..3_000 {
            leave(&client, &format!("/users/{user}"), Duration::from_millis(1)).await;
            most = most.max(tasks() - before);
        }
        tokio::task::yield_now().await;
        assert!(most <= 260, "{most} tasks, {bytes} bytes");
        sleep(5 * SECOND).await;
        assert_eq!(tasks(), before);
    }
}

#[tokio::test(start_paused = true)]
async fn fetches_of_callers_who_leave_all_at_once_are_few_and_end() {
    let alive = Arc::default();
    let client = layer().layer(stalling(200 << 10, &alive));
    let before = tasks();
    let mut calls = Vec::new();
    for user in 0..3_000 {
        let mut client = client.clone();
        let request = get(&format!("/users/{user}"));
        calls.push(tokio::spawn(async move { client.ready().await?.call(request).await }));
        if user % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    sleep(SECOND).await;
    for call in &calls {
        call.abort();
    }
    for call in calls {
        // Those beyond the bytes that are held got their responses, to read them by themselves.
        drop(call.await);
    }
    tokio::task::yield_now().await;
    assert!(tasks() - before <= 256, "{} tasks", tasks() - before);
    sleep(5 * SECOND).await;
    assert_eq!(tasks(), before);
}

/// A caller who comes back in time keeps the fetch going.
#[tokio::test(start_paused = true)]
async fn a_fetch_is_joined_by_a_caller_who_comes_back() {
    let api = Api::new().taking(8 * SECOND);
    let client = client(&layer(), &api);
    spawn(&client, get("/users/1")).await.abort();
    for _ in 0..3 {
        sleep(2 * SECOND).await;
        spawn(&client, get("/users/1")).await.abort();
    }
    let last = spawn(&client, get("/users/1")).await;
    assert_eq!(last.await.unwrap().unwrap().body, "/users/1 1");
    // One who comes too late begins another.
    spawn(&client, get("/users/2")).await.abort();
    sleep(4 * SECOND).await;
    assert_eq!(text(&mut client.clone(), "/users/2").await, "/users/2 3");
}

/// A thousand stale responses whose server hangs: as many are refreshed in the background as there is room for, and the callers wait
/// for none of the others.
#[tokio::test(start_paused = true)]
async fn refreshes_in_the_background_are_few_and_end() {
    let api = Api::new();
    let layer = with(|config| config.ttl(SECOND).stale_wait(Duration::ZERO));
    let mut quick = client(&layer, &api);
    for user in 0..1_000 {
        text(&mut quick, &format!("/users/{user}")).await;
    }
    advance(SECOND).await;
    let mut slow = client(&layer, &api.clone().taking(20 * SECOND));
    let (before, begun) = (tasks(), tokio::time::Instant::now());
    for _ in 0..2 {
        for user in 0..1_000 {
            let got = send(&mut slow, get(&format!("/users/{user}"))).await.unwrap();
            assert!(got.stale.is_some());
        }
    }
    assert_eq!(tokio::time::Instant::now() - begun, Duration::ZERO);
    sleep(SECOND / 100).await;
    assert!(tasks() - before <= 256, "{} tasks", tasks() - before);
    assert!(api.requests() <= 2_000, "{} requests", api.requests());
    sleep(25 * SECOND).await;
    assert_eq!(tasks(), before);
}

/// Run by itself, since it looks at the memory of the process:
/// `cargo test --all-features --test it -- --ignored --exact response_cache::abandoned::memory_of_abandoned_fetches`.
#[tokio::test]
#[ignore = "looks at the memory of the whole process"]
async fn memory_of_abandoned_fetches() {
    let resident = || {
        let text = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() >> 10
    };
    let alive = Arc::default();
    let client = layer().layer(stalling(200 << 10, &alive));
    let (before, begun) = (resident(), tasks());
    let mut most = 0;
    for user in 0..3_000 {
        let client = client.clone();
        tokio::spawn(async move {
            leave(&client, &format!("/users/{user}"), Duration::from_millis(50)).await;
        });
        if user % 50 == 0 {
            sleep(Duration::from_millis(10)).await;
            most = most.max(resident());
        }
    }
    most = most.max(resident());
    sleep(5 * SECOND).await;
    // The timers of both may have come at the same time.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    println!("resident: {before} MiB, then {most} MiB at most; {} tasks left", tasks() - begun);
    assert!(most - before <= 64, "{before} MiB, then {most} MiB");
    assert_eq!(tasks(), begun);
}
