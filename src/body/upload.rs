use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// On a request: how far its body was read.
///
/// A time limit that runs out between the beginning and the end says nothing about the server, since the caller may be the one who is
/// slow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Upload(Arc<AtomicU64>);

// Zero before the first read, one more at each, and the largest number after the last.
const FINISHED: u64 = u64::MAX;

// === impl Upload ===

impl Upload {
    pub(super) fn begin(&self) {
        self.0.fetch_max(1, Ordering::Relaxed);
    }

    /// A frame was read. Not called after [`finish`](Self::finish).
    pub(super) fn advance(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn finish(&self) {
        self.0.store(FINISHED, Ordering::Relaxed);
    }

    /// Whether the client has begun to read the body, and has not come to its end.
    pub(crate) fn is_in_progress(&self) -> bool {
        !matches!(self.progress(), 0 | FINISHED)
    }

    /// Another number once more was read.
    pub(crate) fn progress(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
