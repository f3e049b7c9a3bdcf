//! The slots of all keys.

use std::{
    collections::HashMap,
    fmt,
    num::NonZeroUsize,
    sync::{Arc, PoisonError, Weak, atomic::AtomicU64},
};

use arc_swap::ArcSwap;
use tower::util::BoxCloneService;

use super::{
    TimePair, Token, TokenKey, TokenRequest,
    loom_sync::{Mutex, MutexGuard},
    slot::Slot,
};
use crate::BoxError;

/// A source of tokens of any type. It is called on the slow path only.
pub(super) type Source = BoxCloneService<TokenRequest, Token, BoxError>;

type Present = HashMap<Arc<TokenKey>, Arc<Slot>>;

/// The slots of all keys, and the source of their tokens.
pub(super) struct Slots {
    /// Read without a lock. Stored to under the lock of `evicted`.
    present: ArcSwap<Present>,
    /// Slots that were evicted. One that is still in use is reinstated for its key: two slots would be two fetches.
    evicted: Mutex<Vec<Weak<Slot>>>,
    /// Counts the lookups of another slot than the last.
    uses: AtomicU64,
    /// Behind a lock because a source need not be `Sync`.
    source: Mutex<Source>,
}

// === impl Slots ===

impl Slots {
    pub(super) fn new(source: Source) -> Self {
        Self {
            present: ArcSwap::from_pointee(Present::new()),
            evicted: Mutex::new(Vec::new()),
            // A slot begins with zero, which is then never the count of the last use.
            uses: AtomicU64::new(1),
            source: Mutex::new(source),
        }
    }

    /// The slot of `key`, which is made if there is none. `now` and `max_keys` decide which others are evicted for it.
    pub(super) fn of(
        &self,
        key: &TokenKey,
        max_keys: NonZeroUsize,
        now: impl FnOnce() -> TimePair,
    ) -> Arc<Slot> {
        let found = self.present.load().get(key).map(Arc::clone);
        let slot = found.unwrap_or_else(|| self.insert(key, max_keys, &now()));
        slot.touch(&self.uses);
        slot
    }

    /// The slot of `key`, if there is one. This is no use of it.
    pub(super) fn find(&self, key: &TokenKey) -> Option<Arc<Slot>> {
        self.present.load().get(key).map(Arc::clone)
    }

    /// All slots, in the order of their keys.
    pub(super) fn all(&self) -> Vec<Arc<Slot>> {
        let mut all: Vec<_> = self.present.load().values().map(Arc::clone).collect();
        all.sort_by(|one, other| one.key().cmp(other.key()));
        all
    }

    pub(super) fn source(&self) -> Source {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[cold]
    fn insert(&self, key: &TokenKey, max_keys: NonZeroUsize, now: &TimePair) -> Arc<Slot> {
        let mut evicted = self.lock();
        let present = self.present.load_full();
        if let Some(slot) = present.get(key) {
            return Arc::clone(slot);
        }
        evicted.retain(|slot| slot.strong_count() > 0);
        let kept = evicted.iter().filter_map(Weak::upgrade).find(|slot| **slot.key() == *key);
        let slot = kept.unwrap_or_else(|| Arc::new(Slot::new(Arc::new(key.clone()))));
        let to_evict = to_evict(&present, max_keys, now);
        evicted.extend(to_evict.iter().map(|slot| Arc::downgrade(slot)));
        let mut next = Present::clone(&present);
        next.retain(|_, slot| !to_evict.iter().any(|other| Arc::ptr_eq(other, slot)));
        next.insert(Arc::clone(slot.key()), Arc::clone(&slot));
        self.present.store(Arc::new(next));
        slot
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Slot>>> {
        self.evicted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

/// The slots to evict for one more, so that at most `max_keys` are left that nothing else holds: no service or endpoint whose
/// key it is, no fetch and no waiter.
///
/// The least recently used go first, those in cooldown last: with the slot the cooldown would be forgotten.
fn to_evict<'a>(
    present: &'a Present,
    max_keys: NonZeroUsize,
    now: &TimePair,
) -> Vec<&'a Arc<Slot>> {
    let mut idle: Vec<_> = present.values().filter(|slot| Arc::strong_count(slot) == 1).collect();
    let excess = (idle.len() + 1).saturating_sub(max_keys.get());
    idle.sort_by_cached_key(|slot| (slot.lock().cooldown(now).is_some(), slot.used()));
    idle.truncate(excess);
    idle
}
