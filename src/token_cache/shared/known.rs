//! What a process remembers of the slots that it has asked about.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::store::{FetchId, StoreName};

/// How many slots are remembered: more than a cache has keys. Beyond that one is forgotten, which costs an event or an exchange.
const MAX_SLOTS: usize = 10_000;

/// Slots by their names.
#[derive(Clone, Default)]
pub(super) struct Known(Arc<Mutex<HashMap<StoreName, Slot>>>);

#[derive(Default)]
struct Slot {
    /// The fetch whose token the process was given last.
    given: Option<FetchId>,
    /// Whether a record that is not ours was logged.
    is_told: bool,
}

// === impl Known ===

impl Known {
    pub(super) fn given(&self, name: &StoreName) -> Option<FetchId> {
        self.lock().get(name)?.given
    }

    pub(super) fn give(&self, name: &StoreName, id: FetchId) {
        self.with(name, |slot| *slot = Slot { given: Some(id), is_told: false });
    }

    /// Whether this is the first record in a row that is not ours.
    pub(super) fn tell(&self, name: &StoreName) -> bool {
        self.with(name, |slot| !std::mem::replace(&mut slot.is_told, true))
    }

    fn with<T>(&self, name: &StoreName, change: impl FnOnce(&mut Slot) -> T) -> T {
        let mut slots = self.lock();
        if slots.len() >= MAX_SLOTS && !slots.contains_key(name) {
            if let Some(any) = slots.keys().next().cloned() {
                slots.remove(&any);
            }
        }
        change(slots.entry(name.clone()).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StoreName, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
