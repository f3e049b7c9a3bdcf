//! The queued requests of one priority.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

/// A queued request: the moment after which a permit comes too late for it, and its number.
type Entry = (Instant, u64);

/// The requests of one priority, by the moment after which a permit comes too late.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) on_time: BTreeSet<Entry>,
    pub(super) late: BTreeSet<Entry>,
    /// How many give up in each tick.
    pub(super) ticks: BTreeMap<u64, u64>,
}

// === impl Lane ===

impl Lane {
    pub(super) fn insert(&mut self, entry: Entry, tick: u64, is_late: bool) {
        self.set(is_late).insert(entry);
        *self.ticks.entry(tick).or_default() += 1;
    }

    pub(super) fn remove(&mut self, entry: Entry, tick: u64, is_late: bool) {
        self.set(is_late).remove(&entry);
        if let Some(count) = self.ticks.get_mut(&tick) {
            *count -= 1;
            if *count == 0 {
                self.ticks.remove(&tick);
            }
        }
    }

    /// Sets a request on time aside as late.
    pub(super) fn set_aside(&mut self, entry: Entry) {
        self.on_time.remove(&entry);
        self.late.insert(entry);
    }

    /// The request that gives up first.
    pub(super) fn first(&self) -> Option<Entry> {
        self.on_time.first().into_iter().chain(self.late.first()).min().copied()
    }

    fn set(&mut self, is_late: bool) -> &mut BTreeSet<Entry> {
        if is_late { &mut self.late } else { &mut self.on_time }
    }
}
