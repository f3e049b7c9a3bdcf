use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

/// On a request: how far its body was read.
///
/// A time limit that runs out between the beginning and the end says nothing about the server, since the caller may be the one who is
/// slow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Upload(Arc<AtomicU8>);

const BEGUN: u8 = 1;
const FINISHED: u8 = 2;

// === impl Upload ===

impl Upload {
    pub(super) fn begin(&self) {
        self.0.fetch_max(BEGUN, Ordering::Relaxed);
    }

    pub(super) fn finish(&self) {
        self.0.store(FINISHED, Ordering::Relaxed);
    }

    /// Whether the client has begun to read the body, and has not come to its end.
    pub(crate) fn is_in_progress(&self) -> bool {
        self.0.load(Ordering::Relaxed) == BEGUN
    }
}
