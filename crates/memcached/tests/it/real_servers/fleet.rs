//! Fleets around a server that is well.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use store_contract::{
    fleet::{self, AUDIENCE, CLIENT, Issuer, Process, TOKEN},
    server::Server,
};
use tower_heed::token_cache::{FetchReason, TokenKey};

use super::{store, stores};

#[tokio::test]
async fn thirty_two_processes_share_one_token() {
    let server = Server::memcached(&[]);
    fleet::cold_start("memcached", &stores(&server, 32)).await;
}

/// Needs some thousand open files.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a while, and all of the processor"]
async fn a_thousand_processes_share_one_token() {
    let server = Server::memcached(&["-c", "4000"]);
    fleet::cold_start("memcached", &stores(&server, 1000)).await;
}

#[tokio::test]
async fn what_the_issuer_says_to_one_it_says_to_all() {
    let server = Server::memcached(&[]);
    fleet::rate_limited("memcached", &stores(&server, 32)).await;
}

#[tokio::test]
async fn a_leader_that_dies_costs_its_lease() {
    let server = Server::memcached(&[]);
    fleet::leader_dies("memcached", &stores(&server, 4)).await;
}

#[tokio::test]
async fn rule_32_keys_rotate_and_no_byte_can_be_changed() {
    let server = Server::memcached(&[]);
    fleet::keys_rotate("memcached", &store(&server)).await;
}

#[tokio::test]
async fn a_thousand_callers_in_one_process_are_one_fetch() {
    let server = Server::memcached(&[]);
    fleet::one_process("memcached", &store(&server)).await;
}

#[tokio::test]
async fn rule_32_nothing_in_the_server_is_clear_text() {
    let server = Server::memcached(&[]);
    let issuer = Issuer::new(Duration::ZERO);
    let mut process = Process::new(store(&server), &issuer, "scanned");
    process.fetch(FetchReason::Missing).await.1.unwrap();
    let name = process.source().name(&TokenKey::new());
    let mut seen = told(&server, "lru_crawler metadump all\r\n");
    seen.extend(told(&server, &format!("mg {name} v k\r\n")));
    let shows = |text: &str| seen.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(shows("heed:1:t:") && shows("VA "), "what is looked for would be found");
    for secret in [CLIENT, AUDIENCE, TOKEN, "Bearer", "id.example"] {
        assert!(!shows(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_value_that_is_none_of_ours_is_left_alone_and_the_process_goes_on_alone() {
    let server = Server::memcached(&[]);
    let issuer = Issuer::new(Duration::ZERO);
    let mut process = Process::new(store(&server), &issuer, "foreign");
    let name = process.source().name(&TokenKey::new());
    told(&server, &format!("ms {name} 9\r\nsomething\r\n"));
    process.fetch(FetchReason::Missing).await.1.unwrap();
    let there = told(&server, &format!("mg {name} v\r\n"));
    assert!(there.starts_with(b"VA 9\r\nsomething"));
}

/// What the server replies to a command, within a while.
fn told(server: &Server, command: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    stream.write_all(command.as_bytes()).unwrap();
    let mut reply = Vec::new();
    // It ends by the time limit: the server keeps the connection.
    let _ended = stream.read_to_end(&mut reply);
    reply
}
