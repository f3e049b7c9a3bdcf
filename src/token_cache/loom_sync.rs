//! The types that `loom` watches when it tries every order of threads.

#[cfg(not(tower_heed_loom))]
pub(super) use std::sync::{Mutex, MutexGuard};

#[cfg(tower_heed_loom)]
pub(super) use loom::sync::{Mutex, MutexGuard};

/// Tells `loom` that threads synchronize through something it cannot see into: otherwise it treats them as independent, and
/// does not try the other order. It is empty in an ordinary build.
#[derive(Debug, Default)]
pub(super) struct SyncPoint {
    #[cfg(tower_heed_loom)]
    seen: loom::sync::atomic::AtomicUsize,
}

// === impl SyncPoint ===

#[cfg(not(tower_heed_loom))]
#[allow(clippy::unused_self, reason = "see the other one")]
impl SyncPoint {
    pub(super) const fn read(&self) {}

    pub(super) const fn write(&self) {}
}

#[cfg(tower_heed_loom)]
impl SyncPoint {
    pub(super) fn read(&self) {
        let _seen = self.seen.load(loom::sync::atomic::Ordering::Acquire);
    }

    pub(super) fn write(&self) {
        let _seen = self.seen.fetch_add(1, loom::sync::atomic::Ordering::AcqRel);
    }
}
