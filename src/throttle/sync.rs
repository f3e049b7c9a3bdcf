//! What `loom` watches when it tries every order in which threads can meet.

#[cfg(not(tower_heed_loom))]
pub(super) use std::sync::{Mutex, MutexGuard};

#[cfg(tower_heed_loom)]
pub(super) use loom::sync::{Mutex, MutexGuard};
