//! Real servers. The tests of one server run at the same time as those of the others: they wait most of the time.

mod cluster;
mod comes_back;
mod fleet;
mod outage;
mod quotas;
mod slots;

use std::time::Duration;

use redis::{
    Client, ConnectionInfo, IntoConnectionInfo,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use store_contract::server::Server;
use tower_heed_redis::Store;

fn info(server: &Server) -> ConnectionInfo {
    format!("redis://{}", server.address()).into_connection_info().unwrap()
}

async fn connect(server: &Server) -> ConnectionManager {
    let config = ConnectionManagerConfig::new()
        .set_min_delay(Duration::from_millis(20))
        .set_max_delay(Duration::from_millis(200))
        .set_connection_timeout(Some(Duration::from_secs(1)));
    let client = Client::open(info(server)).unwrap();
    client.get_connection_manager_with_config(config).await.unwrap()
}

async fn store(server: &Server) -> Store<ConnectionManager> {
    Store::new(connect(server).await)
}

/// As many processes, each with its connection.
async fn stores(server: &Server, processes: usize) -> Vec<Store<ConnectionManager>> {
    let mut stores = Vec::new();
    for _ in 0..processes {
        stores.push(store(server).await);
    }
    stores
}

/// Runs a command.
async fn run(server: &Server, command: &str) -> redis::Value {
    let mut words = command.split_whitespace();
    let mut request = redis::cmd(words.next().unwrap());
    words.for_each(|word| {
        request.arg(word);
    });
    request.query_async(&mut connect(server).await).await.unwrap()
}
