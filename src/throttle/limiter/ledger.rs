//! Accepted requests, by when the server counted them.

use std::collections::VecDeque;

use crate::moment::Moment;

/// The most entries. When there are more, each two become one: a ledger of any limit takes 6 KiB.
const MAX: usize = 128;

/// No limit is higher.
const MOST: u64 = 1 << 40;

/// Requests that the server counted between two moments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) earliest: Moment,
    pub(super) latest: Moment,
    count: u64,
}

/// Accepted requests, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: VecDeque<Entry>,
    count: u64,
}

// === impl Ledger ===

impl Ledger {
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn oldest(&self) -> Option<Entry> {
        self.entries.front().copied()
    }

    pub(super) fn add(&mut self, earliest: Moment, latest: Moment, count: u64) {
        if count == 0 {
            return;
        }
        if self.entries.len() >= MAX {
            self.halve();
        }
        let count = count.min(MOST - self.count);
        self.entries.push_back(Entry { earliest, latest, count });
        self.count += count;
    }

    /// How many were certainly counted before this moment.
    pub(super) fn before(&self, moment: Moment) -> u64 {
        let after = self.entries.iter().rev().take_while(|entry| entry.latest > moment);
        self.count - after.map(|entry| entry.count).sum::<u64>()
    }

    /// Drops so many of the oldest.
    pub(super) fn remove(&mut self, mut count: u64) {
        while let Some(oldest) = self.entries.front_mut().filter(|_| count > 0) {
            let part = oldest.count.min(count);
            (oldest.count, self.count, count) =
                (oldest.count - part, self.count - part, count - part);
            if oldest.count == 0 {
                self.entries.pop_front();
            }
        }
    }

    pub(super) fn remove_oldest(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.count -= oldest.count;
        }
    }

    /// Drops one that was counted at this moment.
    pub(super) fn take_back(&mut self, at: Moment) {
        let found = self.entries.iter().position(|entry| entry.latest >= at && entry.count > 0);
        let Some(entry) = found.and_then(|found| self.entries.get_mut(found)) else { return };
        (entry.count, self.count) = (entry.count - 1, self.count - 1);
        if entry.count == 0 {
            self.entries.retain(|entry| entry.count > 0);
        }
    }

    pub(super) fn newest(&self) -> Option<Entry> {
        self.entries.back().copied()
    }

    /// Puts back the newest of `past`, so many of them, and returns the oldest of these.
    pub(super) fn restore(&mut self, past: &mut Self, count: u64) -> Option<Entry> {
        past.remove(past.count.checked_sub(count)?);
        let oldest = past.oldest();
        while let Some(entry) = past.entries.pop_back() {
            self.count += entry.count;
            self.entries.push_front(entry);
        }
        past.clear();
        oldest
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn halve(&mut self) {
        let mut old = std::mem::take(&mut self.entries).into_iter();
        while let Some(one) = old.next() {
            let next = old.next().unwrap_or(Entry { count: 0, ..one });
            let latest = one.latest.max(next.latest);
            let earliest = one.earliest.min(next.earliest);
            self.entries.push_back(Entry { earliest, latest, count: one.count + next.count });
        }
    }
}
