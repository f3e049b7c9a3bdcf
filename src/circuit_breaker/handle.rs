use std::{sync::Arc, time::Duration};

use super::{
    circuit::State,
    circuits::{Circuits, Slot},
};
use crate::{classify::ErrorClass, clock::Clock};

/// Shows the circuits of a layer and its clones, for a status page. See
/// [`CircuitBreakerLayer::handle`](super::CircuitBreakerLayer::handle).
#[derive(Clone, Debug)]
pub struct CircuitBreakerHandle {
    circuits: Arc<Circuits>,
    clock: Clock,
}

/// The state of one circuit at one time.
#[derive(Clone, Debug)]
pub struct CircuitSnapshot {
    key: Arc<str>,
    state: CircuitState,
    failures: u32,
    class: ErrorClass,
    retry_after: Duration,
}

/// Whether requests pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CircuitState {
    /// All pass.
    Closed,
    /// None passes.
    Open,
    /// The next one probes, or one that does is in flight.
    HalfOpen,
}

// === impl CircuitBreakerHandle ===

impl CircuitBreakerHandle {
    pub(super) const fn new(circuits: Arc<Circuits>, clock: Clock) -> Self {
        Self { circuits, clock }
    }

    /// The circuits that are not closed, and those with failures lately, in no order. Others hold no state.
    #[must_use]
    pub fn snapshot(&self) -> Vec<CircuitSnapshot> {
        let now = self.clock.now();
        self.circuits.read(|Slot { name, circuit, .. }| {
            let (state, retry_after) = match circuit.state() {
                State::Closed { .. } => (CircuitState::Closed, Duration::ZERO),
                State::Open { until } if now < until => (CircuitState::Open, until - now),
                State::Open { .. } | State::HalfOpen { .. } => {
                    (CircuitState::HalfOpen, Duration::ZERO)
                }
            };
            let (key, failures, class) = (Arc::clone(name), circuit.run(), circuit.class());
            CircuitSnapshot { key, state, failures, class, retry_after }
        })
    }
}

// === impl CircuitSnapshot ===

impl CircuitSnapshot {
    /// The origin, and the pattern of the endpoint if that has a circuit of its own.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> CircuitState {
        self.state
    }

    /// The failures in a row.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// The class of the last failure.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        self.class
    }

    /// The time to the next probe; zero unless it is open.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        self.retry_after
    }
}

// === impl CircuitState ===

impl CircuitState {
    /// The state in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}
