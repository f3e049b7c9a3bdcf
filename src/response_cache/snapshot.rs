use std::sync::atomic::{AtomicU64, Ordering};

/// How often what happened, since the layer was made.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) hits: Count,
    pub(super) misses: Count,
    pub(super) shared: Count,
    pub(super) stale: Count,
}

#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

/// How much is kept, and how often it was of use since the layer was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    entries: u64,
    bytes: u64,
    hits: u64,
    misses: u64,
    shared: u64,
    stale: u64,
}

// === impl Counts ===

impl Counts {
    /// With the number of entries, and the bytes that they take.
    pub(super) fn snapshot(&self, (entries, bytes): (u64, u64)) -> Snapshot {
        let (hits, misses) = (self.hits.get(), self.misses.get());
        let (shared, stale) = (self.shared.get(), self.stale.get());
        Snapshot { entries, bytes, hits, misses, shared, stale }
    }
}

// === impl Count ===

impl Count {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

// === impl Snapshot ===

impl Snapshot {
    /// How many entries are kept. One that was invalidated or has expired counts until it is replaced or makes room.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// The bytes that they take, with the books about them.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Requests that a fresh response was there for.
    #[must_use]
    pub const fn hits(&self) -> u64 {
        self.hits
    }

    /// Requests that were sent because there was none.
    #[must_use]
    pub const fn misses(&self) -> u64 {
        self.misses
    }

    /// Requests that waited for one that was on its way.
    #[must_use]
    pub const fn shared(&self) -> u64 {
        self.shared
    }

    /// Requests that were served a stale response.
    #[must_use]
    pub const fn stale(&self) -> u64 {
        self.stale
    }
}
