//! The contract of quotas, and fleets that keep to one limit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use limiter_sim::{Headers, Rule, SECOND as NANOS};
use store_contract::{
    quotas::{Fleet, suite},
    server::Server,
};
use tower::ServiceExt;
use tower_heed::store::QuotaRequest;

use super::{store, stores};

const FIXED: Rule = Rule::Fixed { limit: 50, period: NANOS };
const BUCKET: Rule = Rule::Bucket { rate: 20, burst: 50 };
const SLIDING: Rule = Rule::Sliding { limit: 50, period: NANOS };

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn memcached_passes_the_suite_of_quotas() {
    let server = Server::memcached(&[]);
    suite(&store(&server)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures in real time, alone on the machine: `scripts/proof fleet`"]
async fn a_fleet_keeps_to_one_limit() {
    for (name, rule, headers, limit, sizes) in [
        ("fixed", FIXED, Headers::Epoch, 50, &[2, 8, 32][..]),
        ("bucket", BUCKET, Headers::Epoch, 20, &[32]),
        ("sliding", SLIDING, Headers::Epoch, 50, &[32]),
        ("bare", FIXED, Headers::Bare, 50, &[32]),
    ] {
        for processes in sizes.iter().copied() {
            let server = Server::memcached(&[]);
            let calls = Arc::new(AtomicU64::new(0));
            let counting = |store: tower_heed_memcached::Store| {
                let calls = Arc::clone(&calls);
                store.map_request(move |request: QuotaRequest| {
                    calls.fetch_add(1, Relaxed);
                    request
                })
            };
            let stores: Vec<_> = stores(&server, processes).into_iter().map(counting).collect();
            let fleet = Fleet::start(&stores, rule, headers);
            tokio::time::sleep(5 * SECOND).await;
            let before = calls.load(Relaxed);
            let [accepted, refused] = fleet.api.count(10 * SECOND).await;
            let operations = (calls.load(Relaxed) - before) as f64 / 10.0 / processes as f64;
            let share = accepted as f64 / f64::from(10 * limit);
            println!(
                "{name:<8} {processes:>2} │ {share:.2} │ {refused} of {accepted} rejected │ {operations:.1} operations"
            );
            // The machine has other work.
            assert!(share >= 0.85, "{name}, {processes}: {share}");
            assert!(
                refused * 20 <= accepted,
                "{name}, {processes}: {refused} of {accepted} rejected"
            );
            assert!(operations <= 3.0, "{name}, {processes}: {operations} operations");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures in real time, alone on the machine: `scripts/proof fleet`"]
async fn a_server_that_ends_and_comes_back_empty_is_hardly_noticed() {
    let mut server = Server::memcached(&[]);
    let fleet = Fleet::start(&stores(&server, 8), FIXED, Headers::Epoch);
    tokio::time::sleep(6 * SECOND).await;
    server.kill();
    let [accepted, refused] = fleet.api.count(4 * SECOND).await;
    println!("outage: {accepted} of 200, {refused} rejected");
    assert!(accepted >= 160, "{accepted} of 200");
    assert!(refused <= 20, "{refused} rejected");
    server.restart();
    let [accepted, refused] = fleet.api.count(4 * SECOND).await;
    println!("back: {accepted} of 200, {refused} rejected");
    assert!(accepted >= 140 && refused <= 40, "{accepted} of 200, {refused} rejected");
}
