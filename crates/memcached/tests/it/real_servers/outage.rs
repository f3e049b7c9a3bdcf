//! Fleets whose server fails in the midst of what they do: at the beginning of a fetch, while the lease is renewed, when it is
//! completed. Nobody fails, and nobody waits longer than it may.

use std::{io::Write, net::TcpStream};

use store_contract::{fleet, server::Server};

use super::stores;

/// Runs a scenario at each moment of a fetch.
async fn at_each_moment(what: &str, is_read: bool, fail: impl AsyncFn(&mut Server)) {
    let start = async || {
        let server = Server::memcached(&[]);
        let stores = stores(&server, fleet::PROCESSES);
        (server, stores)
    };
    fleet::outage_at_each_moment("memcached", what, is_read, start, fail).await;
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
async fn rule_33_the_server_is_emptied() {
    at_each_moment("emptied", false, async |server| {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(b"flush_all\r\n").unwrap();
    })
    .await;
}
