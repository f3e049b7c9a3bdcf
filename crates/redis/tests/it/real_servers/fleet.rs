//! Fleets around a server that is well.

use std::time::Duration;

use redis::Value;
use store_contract::{
    fleet::{self, AUDIENCE, CLIENT, Issuer, Process, TOKEN},
    server::Server,
};
use tower_heed::token_cache::FetchReason;

use super::{run, store, stores};

#[tokio::test]
async fn thirty_two_processes_share_one_token() {
    let server = Server::redis(&[]);
    fleet::cold_start("redis", &stores(&server, 32).await).await;
}

/// Needs some thousand open files.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a while, and all of the processor"]
async fn a_thousand_processes_share_one_token() {
    let server = Server::redis(&["--maxclients", "4000"]);
    fleet::cold_start("redis", &stores(&server, 1000).await).await;
}

#[tokio::test]
async fn what_the_issuer_says_to_one_it_says_to_all() {
    let server = Server::redis(&[]);
    fleet::rate_limited("redis", &stores(&server, 32).await).await;
}

#[tokio::test]
async fn a_leader_that_dies_costs_its_lease() {
    let server = Server::redis(&[]);
    fleet::leader_dies("redis", &stores(&server, 4).await).await;
}

#[tokio::test]
async fn rule_32_keys_rotate_and_no_byte_can_be_changed() {
    let server = Server::redis(&[]);
    fleet::keys_rotate("redis", &store(&server).await).await;
}

#[tokio::test]
async fn a_thousand_callers_in_one_process_are_one_fetch() {
    let server = Server::redis(&[]);
    fleet::one_process("redis", &store(&server).await).await;
}

#[tokio::test]
async fn rule_32_nothing_in_the_server_is_clear_text() {
    let server = Server::redis(&[]);
    let issuer = Issuer::new(Duration::ZERO);
    let mut process = Process::new(store(&server).await, &issuer, "scanned");
    process.fetch(FetchReason::Missing).await.1.unwrap();
    let keys: Vec<String> = redis::from_redis_value(run(&server, "KEYS *").await).unwrap();
    assert_eq!(keys.len(), 1, "{keys:?}");
    let mut seen = Vec::new();
    for key in keys {
        for command in ["DUMP", "HGETALL"] {
            seen.extend_from_slice(&bytes(&run(&server, &format!("{command} {key}")).await));
        }
        seen.extend_from_slice(key.as_bytes());
    }
    let shows = |text: &str| seen.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(shows("heed:1:t:{"), "what is looked for would be found");
    for secret in [CLIENT, AUDIENCE, TOKEN, "Bearer", "id.example"] {
        assert!(!shows(secret), "{secret}");
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::BulkString(bytes) => bytes.clone(),
        Value::Array(values) => values.iter().flat_map(bytes).collect(),
        Value::Map(pairs) => {
            pairs.iter().flat_map(|(name, value)| [bytes(name), bytes(value)].concat()).collect()
        }
        other => format!("{other:?}").into_bytes(),
    }
}
