//! The contract of slots, on a real server.

use redis::{Client, aio::ConnectionManager};
use store_contract::{server::Server, slots};
use tower_heed_redis::Store;

async fn connect(server: &Server) -> ConnectionManager {
    let client = Client::open(format!("redis://{}", server.address())).unwrap();
    client.get_connection_manager().await.unwrap()
}

#[tokio::test]
async fn redis_passes_the_suite_of_slots() {
    let server = Server::redis(&[]);
    let store = Store::new(connect(&server).await);
    tokio::join!(slots::suite(&store), slots::rejections_are_ten_seconds_apart(&store));
}
