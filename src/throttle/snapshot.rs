use std::{fmt, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{events::kind_name, keys::Keys, limiter::Snapshot, queue::lane_of};
use crate::{clock::Clock, extensions::Priority};

/// Shows what is known of each key, for a status page, and [forgets](Self::forget) what was learned of one. It outlives the layer.
#[derive(Clone)]
pub struct ThrottleHandle {
    keys: Arc<Keys>,
    clock: Clock,
}

/// What was known of one key at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct ThrottleSnapshot {
    key: Arc<str>,
    quota: Snapshot,
    queued: [(usize, Option<Duration>); 3],
    blocked: Option<Duration>,
    #[cfg(feature = "shared")]
    permits: Option<(u32, bool)>,
}

// === impl ThrottleHandle ===

impl ThrottleHandle {
    pub(super) const fn new(keys: Arc<Keys>, clock: Clock) -> Self {
        Self { keys, clock }
    }

    /// What is known of every key now, in no order. It locks out all callers, so take one per second rather than per request.
    #[must_use]
    pub fn snapshot(&self) -> Vec<ThrottleSnapshot> {
        let now = self.clock.now();
        let since = |since: Instant| now.saturating_duration_since(since);
        self.keys.read(|slot| ThrottleSnapshot {
            key: Arc::clone(slot.name.shown()),
            quota: slot.quota.snapshot(now),
            queued: slot.queue.lengths().map(|(len, oldest)| (len, oldest.map(since))),
            blocked: slot
                .quota
                .blocked_until()
                .and_then(|until| until.checked_duration_since(now))
                .filter(|wait| !wait.is_zero()),
            #[cfg(feature = "shared")]
            permits: slot.member.as_ref().map(|member| member.permits(now)),
        })
    }

    /// Forgets what is known of the limits of this key, as a [snapshot](ThrottleSnapshot::key) names it: for a limit that was raised, or
    /// a block that was lifted by hand. Queued requests are served as those of a new key. Returns whether the key was known.
    #[allow(clippy::must_use_candidate, reason = "most callers do not need to know")]
    pub fn forget(&self, key: &str) -> bool {
        self.keys.forget(key, self.clock.now())
    }
}

impl fmt::Debug for ThrottleHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThrottleHandle").finish_non_exhaustive()
    }
}

// === impl ThrottleSnapshot ===

impl ThrottleSnapshot {
    /// The name of the key: the origin or the name that [`key`](super::ThrottleLayer::key) returned, then the endpoint pattern or
    /// `(shared name)`, then the server's bucket as `[bucket]`.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The kind of limiter that the server seems to have, as in the event `learned the server's limit`:
    ///
    /// * `unknown`: no request was rate limited, and no response showed a counter;
    /// * `learning`: a request was rate limited, and the throttle is finding out what is allowed;
    /// * `fixed_window`: the window ends at a moment that the server names;
    /// * `sliding_window`: at most the limit in any span of a window's length;
    /// * `bucket`: a token bucket, which refills steadily.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        kind_name(&self.quota.kind)
    }

    /// How many requests the limiter lets through at once or in a window, if known.
    #[must_use]
    pub const fn limit(&self) -> Option<u64> {
        self.quota.limit
    }

    /// How many requests may be sent now, if the server shows a counter.
    #[must_use]
    pub const fn remaining(&self) -> Option<u64> {
        self.quota.remaining
    }

    /// When more comes back, counted from the snapshot, if known.
    #[must_use]
    pub const fn reset(&self) -> Option<Duration> {
        self.quota.reset
    }

    /// The limit in requests per second in the long run, if known.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        self.quota.rate()
    }

    /// How many requests are queued.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queued.iter().map(|(len, _)| len).sum()
    }

    /// How many requests of a priority are queued, and how long the first of them has waited.
    #[must_use]
    pub const fn queued_of(&self, priority: Priority) -> (usize, Option<Duration>) {
        self.queued[lane_of(priority)]
    }

    /// How long the server still rejects all requests of this key, if it said so.
    #[must_use]
    pub const fn blocked(&self) -> Option<Duration> {
        self.blocked
    }

    /// How many permits of the fleet's quota this process holds, those of later windows included; `None` if the quota is not
    /// [shared](super::ThrottleLayer::fleet).
    #[cfg(feature = "shared")]
    #[cfg_attr(docsrs, doc(cfg(feature = "shared")))]
    #[must_use]
    pub fn permits(&self) -> Option<u32> {
        self.permits.map(|(count, _)| count)
    }

    /// Whether the store of the fleet is down, so that the process sends at its last known share of the limit.
    #[cfg(feature = "shared")]
    #[cfg_attr(docsrs, doc(cfg(feature = "shared")))]
    #[must_use]
    pub fn is_without_store(&self) -> bool {
        self.permits.is_some_and(|(_, is_without_store)| is_without_store)
    }

    /// How many requests are in flight, including those that were dropped a moment ago and may still arrive at the server.
    #[must_use]
    pub const fn in_flight(&self) -> u64 {
        self.quota.in_flight
    }
}
