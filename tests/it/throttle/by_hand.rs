//! What the user knows better: a limit, a share of the announced ones, and a least wait.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{task::yield_now, time::Instant};
use tower::Layer;
use tower_heed::{ThrottleLayer, throttle::Throttle};

use super::{SECOND, millis, send, spawn};
use crate::support::{
    probe::{Probe, ScriptedResponse, probe},
    scripted::{get, response, scripted},
};

/// Sends so many requests one after the other, until one gets no permit, and returns when each was sent, in milliseconds.
async fn sent(layer: ThrottleLayer, server: Probe, paths: &[&str], requests: usize) -> Vec<u128> {
    let mut client = layer.max_wait(Duration::MAX).layer(server);
    let (start, mut at) = (Instant::now(), Vec::new());
    for number in 0..requests {
        if send(&mut client, get(paths[number % paths.len()])).await.is_err() {
            break;
        }
        at.push(millis(start));
    }
    at
}

fn silent() -> Probe {
    scripted(|_| response(200, &[]))
}

/// A server with a window of a minute, which it announces.
fn announces(limit: u32) -> Probe {
    let count = AtomicU32::new(0);
    scripted(move |_| {
        let left = limit.saturating_sub(count.fetch_add(1, Ordering::Relaxed) + 1).to_string();
        let shown = [
            ("x-ratelimit-limit", &*limit.to_string()),
            ("x-ratelimit-remaining", &*left),
            ("x-ratelimit-reset", "60"),
        ];
        response(200, &shown)
    })
}

/// How many are sent within a second.
async fn at_once(layer: ThrottleLayer, server: Probe, paths: &[&str]) -> usize {
    let at = sent(layer, server, paths, 12).await;
    at.into_iter().filter(|at| *at < 1_000).count()
}

#[tokio::test(start_paused = true)]
async fn a_limit_holds_from_the_start_in_any_period() {
    let layer = ThrottleLayer::new().limit(3, 10 * SECOND);
    let at = sent(layer, silent(), &["/"], 9).await;
    for (number, at) in at.iter().enumerate() {
        let least = number as u128 / 3 * 10_000;
        assert!((least..least + 100).contains(at), "{number}: {at}");
    }
    assert_eq!(at_once(ThrottleLayer::new(), silent(), &["/"]).await, 12, "without one");
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_known_needs_no_slow_start() {
    for (layer, concurrent) in
        [(ThrottleLayer::new().limit(5, SECOND), 5), (ThrottleLayer::new(), 1)]
    {
        let probe = Probe::new().otherwise(|_| ScriptedResponse::never());
        let watch = probe.handle();
        let client: Throttle<Probe> = layer.layer(probe);
        let mut calls = Vec::new();
        for _ in 0..8 {
            calls.push(spawn(&client, get("/")).await);
        }
        yield_now().await;
        assert_eq!(watch.take_requests().len(), concurrent);
        calls.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_server_shows_makes_a_limit_only_stricter() {
    let layer = || ThrottleLayer::new().limit(6, 600 * SECOND);
    assert_eq!(at_once(layer(), announces(4), &["/"]).await, 4, "a lower one");
    assert_eq!(at_once(layer(), announces(100), &["/"]).await, 6, "a higher one");
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_an_endpoint_holds_no_other() {
    let search = || "GET /search".parse().unwrap();
    let layer = || ThrottleLayer::new().endpoint(search(), |config| config.limit(2, 600 * SECOND));
    assert_eq!(at_once(layer(), silent(), &["/search"]).await, 2);
    assert_eq!(at_once(layer(), silent(), &["/users"]).await, 12);
    let common = ThrottleLayer::new()
        .endpoint(search(), |config| config.limit(2, 600 * SECOND).common_quota());
    assert_eq!(at_once(common, silent(), &["/search"]).await, 12, "undone");
    let shared = ThrottleLayer::new()
        .endpoint("/a".parse().unwrap(), |config| config.shared("ab").limit(5, 600 * SECOND))
        .endpoint("/b".parse().unwrap(), |config| config.shared("ab").limit(5, 600 * SECOND));
    assert_eq!(at_once(shared, silent(), &["/a", "/b"]).await, 5);
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_one_for_all_buckets_and_routes_of_a_key() {
    let count = AtomicU32::new(0);
    let server = scripted(move |request| {
        let left = 90_u32.saturating_sub(count.fetch_add(1, Ordering::Relaxed)).to_string();
        let bucket = request.uri().path().to_owned();
        let shown = [
            ("x-ratelimit-bucket", &*bucket),
            ("x-ratelimit-limit", "100"),
            ("x-ratelimit-remaining", &*left),
            ("x-ratelimit-reset-after", "60"),
        ];
        response(200, &shown)
    });
    let layer = ThrottleLayer::new().limit(5, 600 * SECOND);
    assert_eq!(at_once(layer, server, &["/a", "/b", "/c"]).await, 5);
}

#[tokio::test(start_paused = true)]
async fn limits_out_of_range_are_clamped() {
    let layer = |limit, period| ThrottleLayer::new().limit(limit, period);
    assert_eq!(at_once(layer(0, 600 * SECOND), silent(), &["/"]).await, 1);
    assert_eq!(at_once(layer(1, Duration::ZERO), silent(), &["/"]).await, 12);
    assert_eq!(at_once(layer(u32::MAX, Duration::MAX), silent(), &["/"]).await, 12);
    let at = sent(layer(1, Duration::MAX), silent(), &["/"], 2).await;
    assert!((86_400_000..86_401_000).contains(&at[1]), "{at:?}: a day");
}

#[tokio::test(start_paused = true)]
async fn headroom_leaves_a_share_of_each_announced_limit() {
    for (share, sent) in
        [(0.8, 8), (0.5, 5), (1.0, 10), (0.0, 1), (-1.0, 1), (0.01, 1), (7.0, 10), (f64::NAN, 10)]
    {
        let layer = ThrottleLayer::new().headroom(share);
        assert_eq!(at_once(layer, announces(10), &["/"]).await, sent, "{share}");
    }
    let layer = ThrottleLayer::new().headroom(0.1);
    assert_eq!(at_once(layer, silent(), &["/"]).await, 12, "none is announced");
}

#[tokio::test(start_paused = true)]
async fn headroom_of_an_endpoint_is_its_own() {
    let layer =
        || ThrottleLayer::new().endpoint("/a".parse().unwrap(), |config| config.headroom(0.5));
    assert_eq!(at_once(layer(), announces(10), &["/a"]).await, 5);
    assert_eq!(at_once(layer(), announces(10), &["/b"]).await, 10);
}

/// Milliseconds that a request to `then` is held for after such a response to `/tokens`.
async fn held(min_wait: Duration, first: (u16, &[(&str, &str)]), then: &str) -> u128 {
    let (probe, watch) = probe(4);
    let layer = ThrottleLayer::new()
        .endpoint("/tokens".parse().unwrap(), |config| config.own_quota().min_wait(min_wait));
    let mut client = layer.layer(probe);
    watch.respond(first.0, first.1);
    let _response = send(&mut client, get("/tokens")).await;
    let start = Instant::now();
    send(&mut client, get(then)).await.unwrap();
    millis(start)
}

#[tokio::test(start_paused = true)]
async fn the_least_wait_follows_each_rate_limited_response() {
    let after = |seconds| [("retry-after", seconds)];
    let wait = 5 * SECOND;
    let bare = held(wait, (429, &[]), "/tokens").await;
    assert!((5_000..5_100).contains(&bare), "{bare}");
    let shorter = held(wait, (429, &after("1")), "/tokens").await;
    assert!((5_000..5_100).contains(&shorter), "{shorter}");
    let longer = held(wait, (429, &after("9")), "/tokens").await;
    assert!((9_000..9_100).contains(&longer), "{longer}");

    assert_eq!(held(wait, (200, &[]), "/tokens").await, 0, "accepted");
    assert_eq!(held(wait, (500, &[]), "/tokens").await, 0, "another failure");
    assert_eq!(held(wait, (429, &[]), "/users").await, 0, "another endpoint");
    let unset = held(Duration::ZERO, (429, &[]), "/tokens").await;
    assert!(unset < 100, "{unset}");
}

#[tokio::test(start_paused = true)]
async fn the_least_wait_is_no_longer_than_the_longest_block() {
    let (probe, watch) = probe(4);
    let layer = ThrottleLayer::new().min_wait(Duration::MAX).max_block(7 * SECOND);
    let mut client = layer.layer(probe);
    watch.respond(429, &[]);
    let _response = send(&mut client, get("/")).await;
    let start = Instant::now();
    send(&mut client, get("/")).await.unwrap();
    assert!((7_000..7_100).contains(&millis(start)), "{}", millis(start));
}

#[tokio::test(start_paused = true)]
async fn chance_rejections_do_not_shorten_the_least_wait() {
    let count = Arc::new(AtomicU32::new(0));
    let server = scripted(move |_| {
        let is_rejected = count.fetch_add(1, Ordering::Relaxed) % 3 == 2;
        response(if is_rejected { 429 } else { 200 }, &[])
    });
    let mut client = ThrottleLayer::new().min_wait(2 * SECOND).layer(server);
    let mut was_rejected = false;
    for _ in 0..60 {
        let start = Instant::now();
        let response = send(&mut client, get("/")).await.unwrap();
        assert!(!was_rejected || millis(start) >= 2_000, "{}", millis(start));
        was_rejected = response.status() == 429;
    }
}
