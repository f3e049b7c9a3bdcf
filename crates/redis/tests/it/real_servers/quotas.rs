//! The contract of quotas, and fleets that keep to one limit.

use std::time::Duration;

use limiter_sim::{Headers, Rule, SECOND as NANOS};
use redis::Value;
use store_contract::{
    quotas::{Fleet, suite},
    server::Server,
};

use super::{run, store, stores};

const FIXED: Rule = Rule::Fixed { limit: 50, period: NANOS };
const BUCKET: Rule = Rule::Bucket { rate: 20, burst: 50 };
const SLIDING: Rule = Rule::Sliding { limit: 50, period: NANOS };

const SECOND: Duration = Duration::from_secs(1);

/// How often the script ran.
async fn calls(server: &Server) -> u64 {
    let info: Value = run(server, "INFO commandstats").await;
    let info: String = redis::from_redis_value(info).unwrap();
    let count = |line: &str| {
        let calls = line.split_once("calls=")?.1.split(',').next()?;
        calls.parse::<u64>().ok()
    };
    info.lines().filter(|line| line.starts_with("cmdstat_evalsha:")).find_map(count).unwrap_or(0)
}

#[tokio::test]
async fn redis_passes_the_suite_of_quotas() {
    let server = Server::redis(&[]);
    suite(&store(&server).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures in real time, alone on the machine: `scripts/proof fleet`"]
async fn a_fleet_keeps_to_one_limit() {
    for (name, rule, headers, limit) in [
        ("fixed", FIXED, Headers::Epoch, 50),
        ("bucket", BUCKET, Headers::Epoch, 20),
        ("sliding", SLIDING, Headers::Epoch, 50),
        ("bare", FIXED, Headers::Bare, 50),
    ] {
        for processes in [2, 8, 32] {
            let server = Server::redis(&[]);
            let fleet = Fleet::start(&stores(&server, processes).await, rule, headers);
            tokio::time::sleep(5 * SECOND).await;
            let before = calls(&server).await;
            let [accepted, refused] = fleet.api.count(10 * SECOND).await;
            let operations = (calls(&server).await - before) as f64 / 10.0 / processes as f64;
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
    let mut server = Server::redis(&[]);
    let fleet = Fleet::start(&stores(&server, 8).await, FIXED, Headers::Epoch);
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
