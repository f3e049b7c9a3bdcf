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
    Token, TokenKey, TokenRequest,
    loom_sync::{Mutex, MutexGuard},
    slot::Slot,
};
use crate::{BoxError, token_cache::Moment};

/// A source of tokens whose type has been forgotten. It is asked on the slow path only.
pub(super) type Source = BoxCloneService<TokenRequest, Token, BoxError>;

type Present = HashMap<Arc<TokenKey>, Arc<Slot>>;

/// The slots of all keys, and the source of their tokens.
pub(super) struct Slots {
    /// Read without a lock. Stored to under the lock of `dropped`.
    present: ArcSwap<Present>,
    /// Slots that were dropped for others. While somebody still has one, it is the one of its key: two would be two flights.
    dropped: Mutex<Vec<Weak<Slot>>>,
    /// Counts the look-ups of another slot than the last.
    uses: AtomicU64,
    /// Behind a lock because a source need not be `Sync`.
    source: Mutex<Source>,
}

// === impl Slots ===

impl Slots {
    pub(super) fn new(source: Source) -> Self {
        Self {
            present: ArcSwap::from_pointee(Present::new()),
            dropped: Mutex::new(Vec::new()),
            // A slot begins with zero, which is then never the count of the last use.
            uses: AtomicU64::new(1),
            source: Mutex::new(source),
        }
    }

    /// The slot of `key`, which is made if there is none. `now` and `most` decide which others are dropped for it.
    pub(super) fn of(
        &self,
        key: &TokenKey,
        most: NonZeroUsize,
        now: impl FnOnce() -> Moment,
    ) -> Arc<Slot> {
        let found = self.present.load().get(key).map(Arc::clone);
        let slot = found.unwrap_or_else(|| self.insert(key, most, &now()));
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
    fn insert(&self, key: &TokenKey, most: NonZeroUsize, now: &Moment) -> Arc<Slot> {
        let mut dropped = self.lock();
        let present = self.present.load_full();
        if let Some(slot) = present.get(key) {
            return Arc::clone(slot);
        }
        dropped.retain(|slot| slot.strong_count() > 0);
        let kept = dropped.iter().filter_map(Weak::upgrade).find(|slot| **slot.key() == *key);
        let slot = kept.unwrap_or_else(|| Arc::new(Slot::new(Arc::new(key.clone()))));
        let victims = victims(&present, most, now);
        dropped.extend(victims.iter().map(|slot| Arc::downgrade(slot)));
        let mut next = Present::clone(&present);
        next.retain(|_, slot| !victims.iter().any(|victim| Arc::ptr_eq(victim, slot)));
        next.insert(Arc::clone(slot.key()), Arc::clone(&slot));
        self.present.store(Arc::new(next));
        slot
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Slot>>> {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

/// The slots that have to go for one more, so that at most `most` are left that nobody else holds: neither a service whose own key
/// it is, nor a flight, nor one who waits for it.
///
/// The least recently used go first, but those that are held off after the others: without the slot the hold-off is forgotten.
fn victims<'a>(present: &'a Present, most: NonZeroUsize, now: &Moment) -> Vec<&'a Arc<Slot>> {
    let mut idle: Vec<_> = present.values().filter(|slot| Arc::strong_count(slot) == 1).collect();
    let excess = (idle.len() + 1).saturating_sub(most.get());
    idle.sort_by_cached_key(|slot| (slot.lock().held(now).is_some(), slot.used()));
    idle.truncate(excess);
    idle
}
