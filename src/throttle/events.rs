//! The events of this layer, with the fields that the module page lists. A key contains no query, no user and no password.

use std::{sync::Arc, time::Duration};

use super::LimiterKind;
#[cfg(feature = "shared")]
use super::fleet::Role;

const TARGET: &str = "tower_heed::throttle";

/// A change of state that is logged.
#[derive(Debug)]
pub(super) enum Event {
    /// The first request is queued.
    Queued { key: Arc<str>, wait: Option<Duration> },
    /// The queue is empty again.
    Drained { key: Arc<str>, waited: Duration, requests: u64 },
    /// The server's limit was learned, or has changed.
    Learned { key: Arc<str>, kind: LimiterKind, limit: Option<u64> },
    /// All keys are in use, and there is another one.
    TooManyKeys { max_keys: usize },
    /// The store of the fleet does not reply.
    #[cfg(feature = "shared")]
    StoreDown { key: Arc<str>, reason: &'static str, error: Option<String> },
    /// It does again.
    #[cfg(feature = "shared")]
    StoreBack { key: Arc<str> },
    /// What this process does in the fleet has changed.
    #[cfg(feature = "shared")]
    Role { key: Arc<str>, role: Role },
}

// === impl Event ===

impl Event {
    pub(super) fn emit(&self, stack: Option<&str>) {
        match self {
            Self::Queued { key, wait } => tracing::debug!(
                target: TARGET,
                stack,
                key = &**key,
                wait_ms = wait.map(millis),
                "requests are queued"
            ),
            Self::Drained { key, waited, requests } => tracing::debug!(
                target: TARGET,
                stack,
                key = &**key,
                waited_ms = millis(*waited),
                requests,
                "requests are no longer queued"
            ),
            Self::Learned { key, kind, limit } => tracing::info!(
                target: TARGET,
                stack,
                key = &**key,
                limiter = kind_name(kind),
                limit,
                per_second = per_second(kind),
                window_ms = window(kind).map(millis),
                "learned the server's limit"
            ),
            Self::TooManyKeys { max_keys } => tracing::warn!(
                target: TARGET,
                stack,
                max_keys,
                "too many keys: requests of a new key are not throttled"
            ),
            #[cfg(feature = "shared")]
            Self::StoreDown { key, reason, error } => tracing::warn!(
                target: TARGET,
                stack,
                key = &**key,
                reason,
                error = error.as_deref(),
                "store is down, the quota is not shared"
            ),
            #[cfg(feature = "shared")]
            Self::StoreBack { key } => {
                tracing::info!(target: TARGET, stack, key = &**key, "the quota is shared again");
            }
            #[cfg(feature = "shared")]
            Self::Role { key, role } => tracing::debug!(
                target: TARGET,
                stack,
                key = &**key,
                role = role_name(*role),
                "role in the fleet changed"
            ),
        }
    }
}

#[cfg(feature = "shared")]
const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Learner => "learns",
        Role::Waits => "waits",
        Role::Free => "free",
        Role::Shares => "shares",
    }
}

/// Whether `Event::Learned` is logged at all.
pub(super) fn learning_is_logged() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::INFO)
}

/// Records the time in the span of the call, if it has the field.
pub(super) fn record_wait(waited: Duration) {
    tracing::Span::current().record("throttle_waited_ms", millis(waited));
}

/// The name of a kind, as in events and snapshots.
pub(super) const fn kind_name(kind: &LimiterKind) -> &'static str {
    match kind {
        LimiterKind::Unknown => "unknown",
        LimiterKind::Learning => "learning",
        LimiterKind::FixedWindow { .. } => "fixed_window",
        LimiterKind::SlidingWindow { .. } => "sliding_window",
        LimiterKind::Bucket { .. } => "bucket",
    }
}

const fn per_second(kind: &LimiterKind) -> Option<f64> {
    match kind {
        LimiterKind::Bucket { per_second } => Some(*per_second),
        _ => None,
    }
}

const fn window(kind: &LimiterKind) -> Option<Duration> {
    match kind {
        LimiterKind::FixedWindow { length } | LimiterKind::SlidingWindow { length } => *length,
        _ => None,
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
