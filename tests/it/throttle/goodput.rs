//! Many callers of one server finish in the time that its limit allows, with next to no 429s.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinSet, time::Instant};
use tower::{Layer, Service};
use tower_heed::{BoxError, RetryOnRateLimit, ThrottleLayer};

use super::{send, server::Server};
use crate::support::{
    probe::Body,
    scripted::get,
    sim::{Headers, Rule, SECOND},
};

/// Does these jobs, each until it is accepted, and says how long that took.
async fn work<S>(client: S, jobs: usize, workers: usize) -> Duration
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = BoxError>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    work_on(&["/job"], client, jobs, workers).await
}

async fn work_on<S>(
    paths: &'static [&'static str],
    client: S,
    jobs: usize,
    workers: usize,
) -> Duration
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = BoxError>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    let (start, begun) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..workers {
        let (mut client, begun) = (client.clone(), Arc::clone(&begun));
        tasks.spawn(async move {
            loop {
                let job = begun.fetch_add(1, Ordering::Relaxed);
                if job >= jobs {
                    break;
                }
                let path = paths[job % paths.len()];
                while send(&mut client, get(path)).await.unwrap().status() != 200 {}
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    Instant::now() - start
}

#[tokio::test(start_paused = true)]
async fn an_announced_fixed_window_is_used_to_the_full_and_hardly_ever_exceeded() {
    for workers in [1, 8, 64, 256] {
        let server = Server::new(Rule::Fixed { limit: 50, period: SECOND }, Headers::Epoch);
        let took = work(ThrottleLayer::new().layer(server.clone()), 480, workers).await;
        // Fifty at once, the rest in nine windows that begin 0.7 s later; the last has thirty, seven milliseconds each.
        let rounds = 30_u64.div_ceil(workers as u64);
        let ideal = Duration::from_millis(8_700 + 7 * rounds);
        assert!(took < ideal.mul_f64(1.02), "{workers} workers: {took:?} instead of {ideal:?}");
        assert!(server.counted().rate_limited <= 5, "{workers} workers: {:?}", server.counted());
        assert_eq!(server.counted().accepted, 480);
    }
}

#[tokio::test(start_paused = true)]
async fn routes_that_share_an_announced_window_have_one_quota() {
    let server = Server::new(Rule::Fixed { limit: 50, period: SECOND }, Headers::Epoch);
    let client = ThrottleLayer::new().layer(server.clone());
    let paths = &["/users", "/roles", "/groups"];
    let took = work_on(paths, client.clone(), 480, 64).await;
    assert!(took < Duration::from_millis(9_100), "{took:?}");
    let cold = server.counted().rate_limited;
    assert!(cold <= 5, "{cold} rejected");
    let took = work_on(paths, client, 480, 64).await;
    assert!(took < Duration::from_secs(11), "{took:?}");
    assert_eq!(server.counted().rate_limited, cold);
}

#[tokio::test(start_paused = true)]
async fn an_announced_bucket_is_met_with_hardly_a_429() {
    let server = Server::new(Rule::Bucket { rate: 20, burst: 50 }, Headers::Epoch);
    let took = work(ThrottleLayer::new().layer(server.clone()), 480, 64).await;
    let ideal = Duration::from_millis((480 - 50) * 50);
    assert!(took < ideal.mul_f64(1.05), "{took:?}");
    assert!(server.counted().rate_limited <= 5, "{:?}", server.counted());
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_not_announced_is_learned() {
    for (rule, headers, ideal, slack) in [
        (Rule::Fixed { limit: 50, period: SECOND }, Headers::Bare, 8_707, 1.15),
        (Rule::Fixed { limit: 100, period: 2 * SECOND }, Headers::RetryAfter, 7_707, 1.10),
    ] {
        let server = Server::new(rule, headers);
        let took = work(ThrottleLayer::new().layer(server.clone()), 480, 64).await;
        let ideal = Duration::from_millis(ideal);
        assert!(took < ideal.mul_f64(slack), "{rule:?}: {took:?}, {:?}", server.counted());
        assert!(server.counted().rate_limited <= 25, "{rule:?}: {took:?}, {:?}", server.counted());
    }
}

#[tokio::test(start_paused = true)]
async fn inside_the_retry_layer_every_job_succeeds_in_one_call() {
    let server = Server::new(Rule::Fixed { limit: 50, period: SECOND }, Headers::Epoch);
    let client = RetryOnRateLimit::new().layer(ThrottleLayer::new().layer(server.clone()));
    let took = work(client, 480, 64).await;
    assert!(took < Duration::from_secs(12), "{took:?}");
    assert!(server.counted().rate_limited <= 5, "{:?}", server.counted());
}

#[tokio::test(start_paused = true)]
async fn a_server_without_a_limit_is_soon_at_full_speed() {
    let server = Server::new(Rule::Bucket { rate: 1_000_000, burst: 1_000_000 }, Headers::Bare);
    let took = work(ThrottleLayer::new().layer(server.clone()), 4_800, 64).await;
    // Seventy-five rounds of seven milliseconds, and a few more to begin with.
    assert!(took < Duration::from_millis(1_000), "{took:?}");
    assert_eq!(server.counted().rate_limited, 0);
}
