//! The quotas of all keys, bounded in number.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher, RandomState},
    sync::PoisonError,
};

use super::{
    effects::{After, Notice},
    key::Address,
    layer::Rules,
    name::Name,
    slot::Slot,
    sync::{Mutex, MutexGuard},
};

/// The quotas of all keys, behind one short lock.
#[derive(Debug, Default)]
pub(super) struct Keys(Mutex<Table>);

/// As [`Keys`], locked.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Never fewer: a place stays what it is as long as somebody knows it.
    slots: Vec<Slot>,
    places: HashMap<u64, usize, BuildHasherDefault<AsItIs>>,
    random: RandomState,
    /// Where the last request found its key: most often the next one's.
    last: usize,
    /// Slots that somebody knows.
    busy: usize,
    /// Of the clock that goes round to find one that is not used any more.
    hand: usize,
    is_full: bool,
}

/// The keys are hashes already.
#[derive(Debug, Default)]
struct AsItIs(u64);

// === impl Keys ===

impl Keys {
    /// Held for a few lines, and never while code of others runs.
    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Table ===

impl Table {
    /// The place of a key, which stays its place until it is [left](Self::leave). None if there is no room.
    #[inline]
    pub(super) fn enter(
        &mut self,
        address: &Address<'_>,
        rules: &Rules,
        after: &mut After,
    ) -> Option<usize> {
        let place = match self.slots.get(self.last) {
            Some(slot) if slot.name.is_spelled(address) => self.last,
            _ => self.find(address, rules, after)?,
        };
        self.last = place;
        self.enter_at(place);
        Some(place)
    }

    pub(super) fn enter_at(&mut self, place: usize) {
        if let Some(slot) = self.slots.get_mut(place) {
            slot.used = true;
            self.busy += usize::from(slot.guests == 0);
            slot.guests += 1;
        }
    }

    /// The slot at a place that was entered.
    #[inline]
    pub(super) fn slot(&mut self, place: usize) -> Option<&mut Slot> {
        self.slots.get_mut(place)
    }

    #[inline]
    pub(super) fn leave(&mut self, place: usize) {
        if let Some(slot) = self.slots.get_mut(place) {
            slot.guests = slot.guests.saturating_sub(1);
            if slot.guests == 0 {
                self.busy = self.busy.saturating_sub(1);
            }
        }
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    fn find(&mut self, address: &Address<'_>, rules: &Rules, after: &mut After) -> Option<usize> {
        let hash = address.hash(&self.random);
        if let Some(place) = self.places.get(&hash) {
            return Some(*place);
        }
        self.insert(Name::of(address, hash), rules, after)
    }

    pub(super) const fn random(&self) -> &RandomState {
        &self.random
    }

    /// Where the key with this hash is.
    pub(super) fn place_of(&self, hash: u64) -> Option<usize> {
        self.places.get(&hash).copied()
    }

    /// Puts a new key in the place of one that nobody knows.
    pub(super) fn replace(&mut self, place: usize, name: Name, rules: &Rules) -> usize {
        self.places.remove(&self.slots[place].name.hash());
        self.places.insert(name.hash(), place);
        self.slots[place] = Slot::new(name, rules.quota());
        place
    }

    pub(super) fn insert(&mut self, name: Name, rules: &Rules, after: &mut After) -> Option<usize> {
        let hash = name.hash();
        let max_keys = rules.max_keys.get();
        let place = if self.slots.len() < max_keys {
            self.slots.push(Slot::new(name, rules.quota()));
            self.places.insert(hash, self.slots.len() - 1);
            self.slots.len() - 1
        } else if let Some(place) = self.least_used() {
            self.replace(place, name, rules)
        } else {
            if !self.is_full {
                self.is_full = true;
                after.log(Notice::Full { max_keys });
            }
            return None;
        };
        self.is_full = false;
        Some(place)
    }

    /// A place that nobody knows and that was not used for as long as any, or nearly: the hand goes round and takes the
    /// first that was not used since it came by.
    fn least_used(&mut self) -> Option<usize> {
        if self.busy >= self.slots.len() {
            return None;
        }
        for _ in 0..2 * self.slots.len() {
            let place = self.hand;
            self.hand = (self.hand + 1) % self.slots.len();
            let slot = &mut self.slots[place];
            if slot.guests == 0 && !std::mem::take(&mut slot.used) {
                return Some(place);
            }
        }
        None
    }
}

// === impl AsItIs ===

impl Hasher for AsItIs {
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
