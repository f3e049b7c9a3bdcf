//! Real servers. The tests of one server run at the same time as those of the others: they wait most of the time.

mod fleet;
mod outage;
mod quotas;
mod slots;

use store_contract::server::Server;
use tower_heed_memcached::Store;

fn store(server: &Server) -> Store {
    Store::tcp(server.address().to_string())
}

/// As many processes, each with its connections.
fn stores(server: &Server, processes: usize) -> Vec<Store> {
    (0..processes).map(|_| store(server)).collect()
}
