//! Servers that are not what they should be, and come back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use redis::aio::ConnectionManager;
use store_contract::{
    fleet::{Issuer, Process},
    server::Server,
    slots::{Slot, fence, id},
};
use tokio::time::{sleep, timeout};
use tower::ServiceExt;
use tower_heed::{
    store::{Intent, SlotReply, SlotRequest},
    token_cache::{FetchReason, TokenKey},
};
use tower_heed_redis::Store;

use super::{connect, run, store};

/// Whether a fetch gets the lease of this slot.
async fn leads(store: &Store<ConnectionManager>, name: &str) -> bool {
    let (slot, lease) = (Slot::new(store, name).name().clone(), Duration::from_secs(3));
    let begin = SlotRequest::Begin { slot, id: id(), unlike: None, intent: Intent::Fetch, lease };
    matches!(store.clone().oneshot(begin).await, Ok(SlotReply::Lead { .. }))
}

#[tokio::test]
async fn a_value_of_another_type_is_left_alone_and_the_process_goes_on_alone() {
    let server = Server::redis(&[]);
    let issuer = Issuer::new(Duration::ZERO);
    let mut process = Process::new(store(&server).await, &issuer, "wrong type");
    let name = process.source().name(&TokenKey::new());
    run(&server, &format!("SET {name} something")).await;
    let (took, token) = process.fetch(FetchReason::Missing).await;
    token.unwrap();
    assert!(took < Duration::from_secs(1), "{took:?}");
    let there: String =
        redis::from_redis_value(run(&server, &format!("GET {name}")).await).unwrap();
    assert_eq!(there, "something");
    // Other keys of the same process are shared as ever.
    process.source().forget(&TokenKey::new().with_audience("other")).await.unwrap();
}

#[tokio::test]
async fn a_replica_that_is_promoted_works_again() {
    let server = Server::redis(&[]);
    let store = store(&server).await;
    run(&server, "REPLICAOF 127.0.0.1 1").await;
    assert!(!leads(&store, "promoted").await);
    run(&server, "REPLICAOF NO ONE").await;
    assert!(leads(&store, "promoted").await);
}

#[tokio::test]
async fn a_store_whose_server_is_a_replica_now_connects_anew() {
    let (first, second) = (Server::redis(&[]), Arc::new(Server::redis(&[])));
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    // The address leads to another server after a failover.
    let store = Store::reconnecting(connect(&first).await, move || {
        counted.fetch_add(1, Ordering::SeqCst);
        let second = Arc::clone(&second);
        async move { Ok(connect(&second).await) }
    });
    assert!(leads(&store, "before").await);
    run(&first, "REPLICAOF 127.0.0.1 1").await;
    assert!(!leads(&store, "failover").await);
    assert!(leads(&store, "failover").await);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

/// A handshake and a login take longer than a call may.
#[tokio::test]
async fn rule_33_a_new_connection_is_made_though_the_call_is_given_up() {
    let (first, second) = (Server::redis(&[]), Arc::new(Server::redis(&[])));
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let store = Store::reconnecting(connect(&first).await, move || {
        counted.fetch_add(1, Ordering::SeqCst);
        let second = Arc::clone(&second);
        async move {
            sleep(Duration::from_millis(600)).await;
            Ok(connect(&second).await)
        }
    });
    run(&first, "REPLICAOF 127.0.0.1 1").await;
    let limit = Duration::from_millis(250);
    let mut given_up = 0;
    while timeout(limit, leads(&store, "slow")).await != Ok(true) {
        given_up += 1;
        assert!(given_up < 40, "no connection is ever made");
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1, "one at a time");
}

#[tokio::test]
async fn fields_that_another_program_wrote_are_no_numbers_of_ours() {
    let server = Server::redis(&[]);
    let (store, lease) = (store(&server).await, Duration::from_secs(3));
    for value in ["x", "nan", "inf", "-5", "1e400", "9e99"] {
        let slot = Slot::new(&store, value);
        let fields = ["f", "e", "l", "t", "c", "b", "u"].map(|name| format!("{name} {value}"));
        run(&server, &format!("HSET {} r r m m o o n n {}", slot.name(), fields.join(" "))).await;
        let leads = id();
        let fence = fence(slot.begin_as(leads, None, Intent::Reject, lease).await);
        assert_eq!(slot.renew(leads, lease).await, SlotReply::Done);
        assert_eq!(slot.fail(id(), Some((b"limited", lease))).await, SlotReply::Done);
        assert_eq!(slot.complete(leads, fence, b"x").await, SlotReply::Done);
        assert!(matches!(slot.begin(id()).await, SlotReply::Record { .. }), "{value}");
        assert_eq!(slot.forget(None).await, SlotReply::Done);
    }
}

/// What was sent to a server that stood still is executed when it goes on.
#[tokio::test]
async fn rule_34_a_record_that_is_stored_late_lives_no_longer() {
    let server = Server::redis(&[]);
    let store = store(&server).await;
    let slot = Slot::new(&store, "late");
    let leader = id();
    let fence = fence(slot.begin(leader).await);
    server.freeze();
    let lifetime = Duration::from_secs(60);
    let complete = slot.complete_with(leader, fence, b"x", lifetime, Duration::ZERO);
    assert!(timeout(Duration::from_millis(250), complete).await.is_err());
    sleep(Duration::from_secs(5)).await;
    server.thaw();
    let left = loop {
        match slot.begin(id()).await {
            SlotReply::Record { left, .. } => break left,
            _ => sleep(Duration::from_millis(20)).await,
        }
    };
    assert!(left <= lifetime - Duration::from_secs(5), "{left:?}");
}

/// The pause of thirty seconds is over, and the same process shares again.
#[tokio::test]
async fn rule_33_a_process_shares_again_when_the_server_is_back() {
    let mut server = Server::redis(&[]);
    let issuer = Issuer::new(Duration::ZERO);
    let (one, other) = (store(&server).await, store(&server).await);
    let (mut one, mut other) =
        (Process::new(one, &issuer, "back"), Process::new(other, &issuer, "back"));
    server.kill();
    for process in [&mut one, &mut other] {
        process.fetch(FetchReason::Missing).await.1.unwrap();
    }
    assert_eq!(issuer.begun(), 2);
    server.restart();
    let (took, token) = one.fetch(FetchReason::Due).await;
    token.unwrap();
    assert!(took < Duration::from_millis(100), "it is not even asked: {took:?}");
    assert_eq!(issuer.begun(), 3);
    sleep(Duration::from_secs(31)).await;
    one.fetch(FetchReason::Due).await.1.unwrap();
    let (_, token) = other.fetch(FetchReason::Due).await;
    assert_eq!(issuer.begun(), 4);
    token.unwrap();
}
