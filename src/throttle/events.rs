//! The events of this layer, with the fields that the module page lists. A key names no query, no user and no password.

use std::time::Duration;

use super::effects::Notice;
use crate::throttle::limiter::Kind;

const TARGET: &str = "tower_heed::throttle";

pub(super) fn log(notice: &Notice) {
    match notice {
        Notice::Held { key, wait } => tracing::debug!(
            target: TARGET,
            key = &**key,
            wait_ms = wait.map(millis),
            "requests are held back"
        ),
        Notice::Released { key, held, requests } => tracing::debug!(
            target: TARGET,
            key = &**key,
            waited_ms = millis(*held),
            requests,
            "requests are no longer held back"
        ),
        Notice::Learnt { key, kind, limit } => tracing::info!(
            target: TARGET,
            key = &**key,
            limiter = name(kind),
            limit,
            per_second = per_second(kind),
            length_ms = length(kind).map(millis),
            "learnt the server's limit"
        ),
        Notice::Full { max_keys } => tracing::warn!(
            target: TARGET,
            max_keys,
            "no room for another key: its requests are sent as they come"
        ),
    }
}

/// Whether a change of a limit is logged at all.
pub(super) fn learning_is_logged() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::INFO)
}

/// Tells the span of the call, if it has the field.
pub(super) fn waited(waited: Duration) {
    tracing::Span::current().record("throttle_waited_ms", millis(waited));
}

const fn name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Unknown => "unknown",
        Kind::Learning => "learning",
        Kind::FixedWindow { .. } => "fixed_window",
        Kind::Window { .. } => "window",
        Kind::Bucket { .. } => "bucket",
    }
}

const fn per_second(kind: &Kind) -> Option<f64> {
    match kind {
        Kind::Bucket { per_second } => Some(*per_second),
        _ => None,
    }
}

const fn length(kind: &Kind) -> Option<Duration> {
    match kind {
        Kind::FixedWindow { length } | Kind::Window { length } => *length,
        _ => None,
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
