//! The slots of all keys, bounded in number.

#[cfg(not(tower_heed_loom))]
use std::sync::Mutex;
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher, RandomState},
    sync::{Arc, PoisonError},
};

#[cfg(tower_heed_loom)]
use loom::sync::Mutex;
use tokio::time::Instant;

use super::{
    ThrottleConfig,
    effects::Effects,
    events::Event,
    key::{Key, KeyName},
    layer::Shared,
    limiter::Quota,
    slot::{Slot, SlotMut},
};

/// The slots of all keys, behind one lock that is held briefly.
#[derive(Debug, Default)]
pub(super) struct Keys(Mutex<Slots>);

#[derive(Debug, Default)]
struct Slots {
    /// Slots are reused, never removed: an index stays valid while a call holds it.
    slots: Vec<Slot>,
    indexes: HashMap<u64, usize, BuildHasherDefault<IsHash>>,
    random: RandomState,
    /// The index that the last request found: mostly the next one's too.
    last: usize,
    /// The number of slots with users.
    busy: usize,
    /// The hand of the clock that finds a slot to evict.
    hand: usize,
    is_full: bool,
}

/// The slots while they are locked, with the caller's settings and the effects of its changes.
#[derive(Debug)]
pub(super) struct Table<'a> {
    slots: &'a mut Slots,
    shared: &'a Shared,
    now: Instant,
    effects: &'a mut Effects,
}

/// A hasher of what is a hash already.
#[derive(Debug, Default)]
pub(super) struct IsHash(u64);

// === impl Keys ===

impl Keys {
    /// Locks the slots, updates them, unlocks them, and runs the effects.
    #[inline]
    pub(super) fn with<T>(
        shared: &Arc<Shared>,
        now: Instant,
        update: impl FnOnce(&mut Table<'_>) -> T,
    ) -> T {
        let mut effects = Effects::default();
        let mut slots = shared.keys.0.lock().unwrap_or_else(PoisonError::into_inner);
        let updated = update(&mut Table { slots: &mut slots, shared, now, effects: &mut effects });
        drop(slots);
        #[cfg(feature = "shared")]
        if let Some(index) = effects.take_question() {
            super::questions::spawn(shared, index);
        }
        effects.run(shared.endpoints.stack());
        updated
    }

    /// Forgets the limits of the key that is shown like this, and of its buckets. Returns whether it is known.
    pub(super) fn forget(&self, shown: &str, now: Instant) -> bool {
        let mut effects = Effects::default();
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = false;
        for (index, slot) in slots.slots.iter_mut().enumerate() {
            let bucket = slot.name.shown().strip_prefix(shown);
            if !bucket.is_some_and(|bucket| bucket.is_empty() || bucket.starts_with(" [")) {
                continue;
            }
            found = true;
            SlotMut { index, slot, effects: &mut effects, now, asking: None }.forget();
        }
        drop(slots);
        effects.run(None);
        found
    }

    /// Reads every slot, in no order.
    pub(super) fn read<T>(&self, read: impl FnMut(&Slot) -> T) -> Vec<T> {
        let slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.slots.iter().map(read).collect()
    }
}

// === impl Table ===

impl Table<'_> {
    /// The index of a key's slot, to be [released](Self::release). `None` if there is no room.
    #[inline]
    pub(super) fn enter(&mut self, key: &Key<'_>, config: &ThrottleConfig) -> Option<usize> {
        let index = match self.slots.slots.get(self.slots.last) {
            Some(slot) if slot.name.is_spelled(key) => self.slots.last,
            _ => self.find(key, config)?,
        };
        self.slots.last = index;
        self.retain(index);
        Some(index)
    }

    #[inline]
    pub(super) fn retain(&mut self, index: usize) {
        let slot = &mut self.slots.slots[index];
        slot.was_used = true;
        self.slots.busy += usize::from(slot.users == 0);
        slot.users += 1;
    }

    #[inline]
    pub(super) fn release(&mut self, index: usize) {
        let slot = &mut self.slots.slots[index];
        slot.users -= 1;
        self.slots.busy -= usize::from(slot.users == 0);
    }

    #[inline]
    pub(super) fn slot(&mut self, index: usize) -> &mut Slot {
        &mut self.slots.slots[index]
    }

    /// The slot, to change its quota and its queue.
    #[inline]
    pub(super) fn slot_mut(&mut self, index: usize) -> SlotMut<'_> {
        let slot = &mut self.slots.slots[index];
        SlotMut { index, slot, effects: &mut *self.effects, now: self.now, asking: None }
    }

    pub(super) const fn now(&self) -> Instant {
        self.now
    }

    /// Gives a slot another name. Its old one stays that of the slot which was inserted for it.
    pub(super) fn rename(&mut self, index: usize, name: KeyName) {
        self.slots.indexes.insert(name.hash(), index);
        self.slots.slots[index].name = name;
    }

    pub(super) const fn random(&self) -> &RandomState {
        &self.slots.random
    }

    pub(super) fn index_of(&self, hash: u64) -> Option<usize> {
        self.slots.indexes.get(&hash).copied()
    }

    /// Puts a new key in the slot of one without users.
    pub(super) fn replace(&mut self, index: usize, name: KeyName, quota: Quota) -> usize {
        let Slots { slots, indexes, .. } = &mut *self.slots;
        let old = slots[index].name.hash();
        // A slot that was split off and forgotten has the name of one that is in use.
        if indexes.get(&old) == Some(&index) {
            indexes.remove(&old);
        }
        indexes.insert(name.hash(), index);
        slots[index] = self.shared.new_slot(name, quota);
        index
    }

    /// Puts a new key in a new slot, or in the least recently used one. `None` if all are in use.
    pub(super) fn insert(&mut self, name: KeyName, quota: Quota) -> Option<usize> {
        let max_keys = self.shared.max_keys.get();
        let index = if self.slots.slots.len() < max_keys {
            let index = self.slots.slots.len();
            self.slots.indexes.insert(name.hash(), index);
            self.slots.slots.push(self.shared.new_slot(name, quota));
            index
        } else if let Some(index) = self.slots.least_recently_used(self.now) {
            self.replace(index, name, quota)
        } else {
            if !self.slots.is_full {
                self.slots.is_full = true;
                self.effects.emit(Event::TooManyKeys { max_keys });
            }
            return None;
        };
        self.slots.is_full = false;
        Some(index)
    }

    fn find(&mut self, key: &Key<'_>, config: &ThrottleConfig) -> Option<usize> {
        let hash = key.hash(self.random());
        if let found @ Some(_) = self.index_of(hash) {
            return found;
        }
        // What requests of several endpoints have in common is as the layer says.
        let config = if key.is_part() { config } else { self.shared.endpoints.base() };
        let quota = config.new_quota(self.shared.max_block);
        let index = self.insert(KeyName::of(key, hash), quota)?;
        self.slots.slots[index].scope.is_configured = key.is_part();
        Some(index)
    }
}

// === impl Slots ===

impl Slots {
    /// Whether a key is blocked, or one of its buckets: without the key's slot, nothing leads to them.
    fn is_blocked(&self, index: usize, now: Instant) -> bool {
        let is_held = |slot: &Slot| slot.quota.blocked_until().is_some_and(|until| until > now);
        let slot = &self.slots[index];
        let buckets = slot.routes.as_ref().map_or(&[][..], |routes| &routes.buckets);
        let mut indexes = buckets.iter().filter_map(|hash| self.indexes.get(hash));
        is_held(slot) || indexes.any(|index| is_held(&self.slots[*index]))
    }

    /// A slot without users, about the least recently used: the clock's hand takes the first that was not used since it passed. One that
    /// the server has blocked is taken if there is no other.
    fn least_recently_used(&mut self, now: Instant) -> Option<usize> {
        if self.busy >= self.slots.len() {
            return None;
        }
        for round in 0..3 {
            for _ in 0..self.slots.len() {
                let index = self.hand;
                self.hand = (self.hand + 1) % self.slots.len();
                let slot = &mut self.slots[index];
                let was_used = std::mem::take(&mut slot.was_used);
                let is_idle = slot.users == 0 && !was_used;
                if is_idle && (round == 2 || !self.is_blocked(index, now)) {
                    return Some(index);
                }
            }
        }
        None
    }
}

// === impl IsHash ===

impl Hasher for IsHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
