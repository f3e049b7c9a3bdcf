//! The contract of slots.

use std::time::Duration;

use store_contract::{
    server::Server,
    slots::{self, Slot, fence, id},
};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tower_heed::store::SlotReply;
use tower_heed_memcached::Store;

use super::store;

#[tokio::test]
async fn memcached_passes_the_suite_of_slots() {
    let server = Server::memcached(&[]);
    let store = store(&server);
    tokio::join!(slots::suite(&store), slots::rejections_are_ten_seconds_apart(&store));
}

/// A handshake and a login take longer than a call may.
#[tokio::test]
async fn rule_33_a_connection_is_made_though_the_call_is_given_up() {
    let server = Server::memcached(&[]);
    let address = server.address();
    let store = Store::new(move || async move {
        sleep(Duration::from_millis(600)).await;
        TcpStream::connect(address).await
    });
    let slot = Slot::new(&store, "slow");
    let mut given_up = 0;
    while timeout(Duration::from_millis(250), slot.begin(id())).await.is_err() {
        given_up += 1;
        assert!(given_up < 20, "no connection is ever made");
    }
}

/// What was sent to a server that stood still is executed when it goes on.
#[tokio::test]
async fn rule_34_a_record_that_is_stored_late_lives_no_longer() {
    let server = Server::memcached(&[]);
    let slot = Slot::new(&store(&server), "late");
    let leader = id();
    let fence = fence(slot.begin(leader).await);
    server.freeze();
    let lifetime = Duration::from_secs(60);
    let complete = slot.complete_with(leader, fence, b"x", lifetime, Duration::ZERO);
    assert!(timeout(Duration::from_millis(250), complete).await.is_err());
    sleep(Duration::from_secs(8)).await;
    server.thaw();
    sleep(Duration::from_secs(2)).await;
    if let SlotReply::Record { left, .. } = slot.begin(id()).await {
        assert!(left <= lifetime - Duration::from_secs(10), "{left:?}");
    }
}
