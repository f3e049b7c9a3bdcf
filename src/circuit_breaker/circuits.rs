//! The circuits of all keys that have failed lately, bounded in number.

use std::{
    collections::HashMap,
    hash::RandomState,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::time::Instant;

use super::{
    circuit::{Change, Circuit},
    key::Key,
};
use crate::metrics::OpenCircuit;

/// The most keys with failures that are remembered: half a megabyte.
pub(super) const MAX_KEYS: usize = 1_000;

/// The keys that are looked at to make room for another one.
const SAMPLE: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Circuits {
    table: Mutex<Table>,
    /// The number of circuits. While there are none, a request takes no lock.
    len: AtomicUsize,
    random: RandomState,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    slots: Vec<Slot>,
    indexes: HashMap<u64, usize>,
    /// The next slot to be looked at for one that is forgotten.
    hand: usize,
}

#[derive(Debug)]
pub(super) struct Slot {
    hash: u64,
    pub(super) name: Arc<str>,
    pub(super) circuit: Circuit,
    /// Counted as long as it protects.
    open: Option<OpenCircuit>,
}

// === impl Circuits ===

impl Circuits {
    pub(super) fn hash(&self, key: &Key) -> u64 {
        key.hash(&self.random)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len.load(Ordering::Relaxed) == 0
    }

    /// Changes the table under its lock.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        let mut table = self.lock();
        let changed = change(&mut table);
        self.len.store(table.slots.len(), Ordering::Relaxed);
        changed
    }

    pub(super) fn read<T>(&self, read: impl FnMut(&Slot) -> T) -> Vec<T> {
        self.lock().slots.iter().map(read).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Table ===

impl Table {
    pub(super) fn get(&mut self, hash: u64) -> Option<&mut Slot> {
        self.indexes.get(&hash).and_then(|index| self.slots.get_mut(*index))
    }

    /// The slot of a key that fails. `None` if there is no room, because every other key that was looked at is open. `chance` is
    /// drawn evenly from 0.0..1.0.
    pub(super) fn insert(
        &mut self,
        hash: u64,
        key: &Key,
        now: Instant,
        chance: f64,
    ) -> Option<&mut Slot> {
        if !self.indexes.contains_key(&hash) {
            if self.slots.len() >= MAX_KEYS {
                self.make_room(now, chance)?;
            }
            self.indexes.insert(hash, self.slots.len());
            let (name, circuit) = (key.to_string().into(), Circuit::new(now));
            self.slots.push(Slot { hash, name, circuit, open: None });
        }
        self.get(hash)
    }

    /// Removes one slot that is forgotten. Called once for each request, it finds all.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.hand = if self.hand < self.slots.len() { self.hand } else { 0 };
        match self.slots.get(self.hand) {
            Some(slot) if slot.circuit.is_forgotten(now) => self.remove(self.hand),
            _ => self.hand += 1,
        }
    }

    /// Evicts the key with the fewest failures among some, beginning anywhere: if all keys fail by turns, some of them are left to
    /// open, where evicting the oldest would let none.
    fn make_room(&mut self, now: Instant, chance: f64) -> Option<()> {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "below the length"
        )]
        let start = (self.slots.len() as f64 * chance.clamp(0.0, 1.0)) as usize;
        let sample = (0..SAMPLE).map(|offset| (start + offset) % self.slots.len());
        let victim = sample
            .map(|index| (index, &self.slots[index].circuit))
            .filter(|(_, circuit)| circuit.is_forgotten(now) || !circuit.protects())
            .min_by_key(|(_, circuit)| (!circuit.is_forgotten(now), circuit.run()))?
            .0;
        self.remove(victim);
        Some(())
    }

    fn remove(&mut self, index: usize) {
        let removed = self.slots.swap_remove(index);
        self.indexes.remove(&removed.hash);
        if let Some(moved) = self.slots.get(index) {
            self.indexes.insert(moved.hash, index);
        }
    }
}

// === impl Slot ===

impl Slot {
    /// Keeps the gauge of open circuits.
    pub(super) fn changed(&mut self, change: Option<&Change>, open: impl FnOnce() -> OpenCircuit) {
        match change {
            Some(Change::Opened { .. }) => drop(self.open.get_or_insert_with(open)),
            Some(Change::Closed) => self.open = None,
            None => {}
        }
    }
}
