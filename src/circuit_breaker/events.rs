//! The events that the module page lists. A key contains no path, no query and no user.

use super::{CircuitBreakerConfig, circuit::Change};
use crate::{clock::millis, endpoint::Endpoint};

const TARGET: &str = "tower_heed::circuit_breaker";

pub(super) fn changed(change: &Change, key: &str, endpoint: &Endpoint<'_, CircuitBreakerConfig>) {
    let (stack, endpoint) = (endpoint.stack(), endpoint.pattern());
    match change {
        Change::Opened { wait, failures, class } => tracing::warn!(
            target: TARGET,
            stack,
            key,
            endpoint,
            class = class.as_str(),
            failures,
            wait_ms = millis(*wait),
            "circuit opened"
        ),
        Change::Closed => tracing::info!(target: TARGET, stack, key, endpoint, "circuit closed"),
    }
}
