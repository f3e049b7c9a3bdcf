//! What processes share, through a store in memory. The crates of real stores run the same suite, and fleets of processes.

use store_contract::slots;
use tower_heed::store::InMemory;

#[tokio::test(start_paused = true)]
async fn the_store_in_memory_passes_the_suite_of_slots() {
    let store = InMemory::new();
    slots::suite(&store).await;
    slots::rejections_are_ten_seconds_apart(&store).await;
}
