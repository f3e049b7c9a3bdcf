use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of requests by where their responses came from.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) hits: Count,
    pub(super) misses: Count,
    pub(super) shared: Count,
    pub(super) stale: Count,
}

#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

/// The size of a response cache, and its use since the layer was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseCacheSnapshot {
    entries: u64,
    bytes: u64,
    hits: u64,
    misses: u64,
    shared: u64,
    stale: u64,
}

// === impl Counts ===

impl Counts {
    pub(super) fn snapshot(&self, (entries, bytes): (u64, u64)) -> ResponseCacheSnapshot {
        let (hits, misses) = (self.hits.get(), self.misses.get());
        let (shared, stale) = (self.shared.get(), self.stale.get());
        ResponseCacheSnapshot { entries, bytes, hits, misses, shared, stale }
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

// === impl ResponseCacheSnapshot ===

impl ResponseCacheSnapshot {
    /// The number of entries. An invalidated or expired one counts until it is replaced or evicted.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// The bytes of the entries, with what the cache itself needs for them.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Requests that got a fresh stored response.
    #[must_use]
    pub const fn hits(&self) -> u64 {
        self.hits
    }

    /// Requests that were sent because there was no fresh response.
    #[must_use]
    pub const fn misses(&self) -> u64 {
        self.misses
    }

    /// Requests that waited for the fetch of another.
    #[must_use]
    pub const fn shared(&self) -> u64 {
        self.shared
    }

    /// Requests that got a stale response.
    #[must_use]
    pub const fn stale(&self) -> u64 {
        self.stale
    }
}
