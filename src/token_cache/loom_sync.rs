//! What `loom` watches when it tries every order in which threads can meet.

#[cfg(not(tower_heed_loom))]
pub(super) use std::sync::{Mutex, MutexGuard};

#[cfg(tower_heed_loom)]
pub(super) use loom::sync::{Mutex, MutexGuard};

/// A place where threads meet in something that `loom` cannot see into: without a word it takes them for independent, and does
/// not try the other order. Nothing at all in an ordinary build.
#[derive(Debug, Default)]
pub(super) struct Meeting {
    #[cfg(tower_heed_loom)]
    seen: loom::sync::atomic::AtomicUsize,
}

// === impl Meeting ===

#[cfg(not(tower_heed_loom))]
#[allow(clippy::unused_self, reason = "see the other one")]
impl Meeting {
    pub(super) const fn read(&self) {}

    pub(super) const fn write(&self) {}
}

#[cfg(tower_heed_loom)]
impl Meeting {
    pub(super) fn read(&self) {
        let _seen = self.seen.load(loom::sync::atomic::Ordering::Acquire);
    }

    pub(super) fn write(&self) {
        let _seen = self.seen.fetch_add(1, loom::sync::atomic::Ordering::AcqRel);
    }
}
