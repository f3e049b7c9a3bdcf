//! The contract of slots.

use store_contract::{server::Server, slots};

use super::store;

#[tokio::test]
async fn redis_passes_the_suite_of_slots() {
    let server = Server::redis(&[]);
    let store = store(&server).await;
    tokio::join!(slots::suite(&store), slots::rejections_are_ten_seconds_apart(&store));
}

/// A cluster of one node, which refuses a script whose keys are not in one slot or not declared.
#[tokio::test]
async fn a_cluster_takes_every_step() {
    let folder = std::env::temp_dir().join(format!("tower-heed-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let dir = folder.to_str().unwrap();
    let server = Server::redis(&["--cluster-enabled", "yes", "--dir", dir]);
    super::run(&server, "CLUSTER ADDSLOTSRANGE 0 16383").await;
    let is_up = async || {
        let info: redis::Value = super::run(&server, "CLUSTER INFO").await;
        redis::from_redis_value::<String>(info).unwrap().contains("cluster_state:ok")
    };
    while !is_up().await {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    slots::suite(&store(&server).await).await;
    drop(server);
    std::fs::remove_dir_all(folder).unwrap();
}
