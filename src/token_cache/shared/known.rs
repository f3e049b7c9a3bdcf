//! What a process remembers of the slots that it has asked about.

use std::{
    collections::HashMap,
    hash::BuildHasher,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    store::{FetchId, StoreName},
    token_cache::Token,
};

/// How many slots are remembered: more than a cache has keys. Beyond that one is forgotten, which costs an event or an exchange.
const MAX_SLOTS: usize = 10_000;

/// Slots by their names.
#[derive(Clone, Default)]
pub(super) struct Known(Arc<Mutex<HashMap<StoreName, Slot>>>);

#[derive(Default)]
struct Slot {
    /// The fetch whose token the process was given last.
    given: Option<FetchId>,
    /// The hash of that token.
    token: u64,
    /// Whether a record that is not ours was logged.
    is_told: bool,
}

// === impl Known ===

impl Known {
    /// The fetch whose token the process was given last.
    pub(super) fn given(&self, name: &StoreName) -> Option<FetchId> {
        self.lock().get(name)?.given
    }

    /// The same, if this is the token.
    pub(super) fn given_as(&self, name: &StoreName, token: &Token) -> Option<FetchId> {
        let slots = self.lock();
        let slot = slots.get(name)?;
        slot.given.filter(|_| slot.token == hash(&slots, token))
    }

    pub(super) fn give(&self, name: &StoreName, id: FetchId, token: &Token) {
        let token = hash(&self.lock(), token);
        self.with(name, |slot| *slot = Slot { given: Some(id), token, is_told: false });
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

fn hash(slots: &HashMap<StoreName, Slot>, token: &Token) -> u64 {
    slots.hasher().hash_one(token.header_value().as_bytes())
}
