//! Fleets whose server fails in the midst of what they do: at the beginning of a fetch, while the lease is renewed, when it is
//! completed. Nobody fails, and nobody waits longer than it may.

use store_contract::{fleet, server::Server};

use super::{run, stores};

/// Runs a scenario at each moment of a fetch.
async fn at_each_moment(what: &str, is_read: bool, fail: impl AsyncFn(&mut Server)) {
    let start = async || {
        let server = Server::redis(&[]);
        let stores = stores(&server, fleet::PROCESSES).await;
        (server, stores)
    };
    fleet::outage_at_each_moment("redis", what, is_read, start, fail).await;
}

#[tokio::test]
async fn rule_33_the_server_ends() {
    at_each_moment("ended", false, async |server| server.kill()).await;
}

#[tokio::test]
async fn rule_33_the_server_accepts_and_never_replies() {
    at_each_moment("frozen", false, async |server| server.freeze()).await;
}

#[tokio::test]
async fn rule_33_the_server_is_started_anew_and_empty() {
    at_each_moment("started empty", false, async |server| server.restart()).await;
}

#[tokio::test]
async fn rule_33_the_server_becomes_a_replica() {
    at_each_moment("a replica", true, async |server| {
        run(server, "REPLICAOF 127.0.0.1 1").await;
    })
    .await;
}

#[tokio::test]
async fn rule_33_the_server_has_no_memory_left() {
    at_each_moment("no memory", true, async |server| {
        run(server, "CONFIG SET maxmemory 1").await;
    })
    .await;
}

#[tokio::test]
async fn rule_33_the_server_forgets_the_scripts() {
    at_each_moment("scripts flushed", false, async |server| {
        run(server, "SCRIPT FLUSH").await;
    })
    .await;
}

#[tokio::test]
async fn rule_33_the_server_closes_all_connections() {
    at_each_moment("clients killed", false, async |server| {
        run(server, "CLIENT KILL TYPE normal SKIPME yes").await;
    })
    .await;
}

#[tokio::test]
async fn rule_33_the_server_is_emptied() {
    at_each_moment("emptied", false, async |server| {
        run(server, "FLUSHALL").await;
    })
    .await;
}
