use std::{fmt, sync::Arc, time::Duration};

use super::keys::Keys;
use crate::{
    clock::Clock,
    throttle::limiter::{self, Kind},
};

/// Shows what is known of each key, for a status page. It outlives the layer.
#[derive(Clone)]
pub struct ThrottleHandle {
    keys: Arc<Keys>,
    clock: Clock,
}

/// What was known of one key at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct KeySnapshot {
    key: Arc<str>,
    quota: limiter::Snapshot,
    queue: usize,
}

// === impl ThrottleHandle ===

impl ThrottleHandle {
    pub(super) const fn new(keys: Arc<Keys>, clock: Clock) -> Self {
        Self { keys, clock }
    }

    /// What is known of every key now, in no order. All callers wait while it is taken, so take it by the second and not by
    /// the request.
    #[must_use]
    pub fn snapshot(&self) -> Vec<KeySnapshot> {
        let now = self.clock.now();
        let table = self.keys.lock();
        let of_slot = |slot: &super::slot::Slot| KeySnapshot {
            key: Arc::clone(slot.name.shown()),
            quota: slot.quota.snapshot(now),
            queue: slot.line.len(),
        };
        table.slots().map(of_slot).collect()
    }
}

impl fmt::Debug for ThrottleHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThrottleHandle").finish_non_exhaustive()
    }
}

// === impl KeySnapshot ===

impl KeySnapshot {
    /// The name of the key: the origin, and what the layer was told to tell it apart by; of a bucket that the server names, that
    /// and the bucket in brackets.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What kind of limiter the server seems to keep.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.quota.kind
    }

    /// How many requests it lets through at once or in a window, if known.
    #[must_use]
    pub const fn limit(&self) -> Option<u64> {
        self.quota.limit
    }

    /// How many may be sent now, if the server shows a counter.
    #[must_use]
    pub const fn remaining(&self) -> Option<u64> {
        self.quota.remaining
    }

    /// When more comes back, from the moment of the snapshot, if known.
    #[must_use]
    pub const fn reset(&self) -> Option<Duration> {
        self.quota.reset
    }

    /// How many requests a second the limit comes to in the long run, if that is known.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        self.quota.rate()
    }

    /// How many requests wait for their turn.
    #[must_use]
    pub const fn queue(&self) -> usize {
        self.queue
    }

    /// How many are out, or may be: those that were given up a moment ago may still arrive at the server.
    #[must_use]
    pub const fn in_flight(&self) -> u64 {
        self.quota.in_flight
    }
}
