//! The contract of slots, on a real server.

use store_contract::{server::Server, slots};
use tower_heed_memcached::Store;

#[tokio::test]
async fn memcached_passes_the_suite_of_slots() {
    let server = Server::memcached(&[]);
    let store = Store::tcp(server.address().to_string());
    tokio::join!(slots::suite(&store), slots::rejections_are_ten_seconds_apart(&store));
}
