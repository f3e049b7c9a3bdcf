//! What processes share, through a store in memory. The crates of real stores run the same suite, and fleets of processes.

mod shared;
mod source;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use store_contract::{Store, slots};
use tokio::time::sleep;
use tower::{ServiceExt, service_fn};
use tower_heed::{
    BoxError,
    store::{InMemory, SlotRequest},
};

/// A store in memory that takes a millisecond, counts its calls and can be down.
#[derive(Clone, Default)]
pub struct Switch {
    store: InMemory,
    calls: Arc<AtomicUsize>,
    is_down: Arc<AtomicBool>,
}

// === impl Switch ===

impl Switch {
    pub fn store(&self) -> impl Store + use<> {
        let Self { store, calls, is_down } = self.clone();
        service_fn(move |request: SlotRequest| {
            calls.fetch_add(1, Ordering::SeqCst);
            let (store, is_down) = (store.clone(), Arc::clone(&is_down));
            async move {
                sleep(Duration::from_millis(1)).await;
                if is_down.load(Ordering::SeqCst) {
                    return Err(BoxError::from("refused"));
                }
                Ok(store.oneshot(request).await?)
            }
        })
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub fn turn(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn the_store_in_memory_passes_the_suite_of_slots() {
    let store = InMemory::new();
    slots::suite(&store).await;
    slots::rejections_are_ten_seconds_apart(&store).await;
}

#[tokio::test(start_paused = true)]
async fn the_store_in_memory_passes_the_suite_of_quotas() {
    store_contract::quotas::suite(&InMemory::new()).await;
}
