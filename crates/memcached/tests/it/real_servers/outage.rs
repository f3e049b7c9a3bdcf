//! Fleets whose server fails in the midst of what they do: at the beginning of a fetch, while the lease is renewed, when it is
//! completed. Nobody fails, and nobody waits longer than it may.

use std::{io::Write, net::TcpStream, time::Duration};

use store_contract::{fleet, server::Server};

use super::stores;

/// Before the first question; while the others wait; just before the lease is renewed; just before the fetch is completed.
const MOMENTS: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(300),
    Duration::from_millis(900),
    Duration::from_millis(1200),
];

const PROCESSES: usize = 8;

/// Runs a scenario at each of the moments.
async fn at_each_moment(what: &str, is_read: bool, fail: impl AsyncFn(&mut Server)) {
    let runs = MOMENTS.map(|moment| {
        let fail = &fail;
        async move {
            let mut server = Server::memcached(&[]);
            let stores = stores(&server, PROCESSES);
            let exchanges =
                fleet::outage("memcached", what, &stores, moment, is_read, async || {
                    fail(&mut server).await;
                });
            (moment, exchanges.await)
        }
    });
    let [first, second, third, last] = runs;
    let runs = tokio::join!(first, second, third, last);
    for (moment, exchanges) in [runs.0, runs.1, runs.2, runs.3] {
        assert!(exchanges <= PROCESSES, "{what} after {moment:?}: {exchanges} exchanges");
    }
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
