use std::{num::NonZeroU32, sync::Arc, time::Duration};

use crate::endpoint::EndpointPattern;

/// When a circuit opens, and for how long. The closure of [`CircuitBreakerLayer::endpoint`](super::CircuitBreakerLayer::endpoint) gets
/// the settings so far.
#[derive(Clone, Debug)]
pub struct CircuitBreakerConfig {
    failures: NonZeroU32,
    open_for: Duration,
    max_open: Duration,
    scope: Scope,
}

/// Which circuit a request belongs to.
#[derive(Clone, Debug)]
pub(super) enum Scope {
    Origin,
    /// That of the endpoint which is being configured.
    Own,
    Endpoint(Arc<str>),
    /// None: it always passes.
    Exempt,
}

// === impl CircuitBreakerConfig ===

impl CircuitBreakerConfig {
    /// See [`CircuitBreakerLayer::failures`](super::CircuitBreakerLayer::failures).
    #[must_use]
    pub fn failures(self, failures: NonZeroU32) -> Self {
        Self { failures, ..self }
    }

    /// See [`CircuitBreakerLayer::open_for`](super::CircuitBreakerLayer::open_for).
    #[must_use]
    pub fn open_for(self, first: Duration, max: Duration) -> Self {
        Self { open_for: first, max_open: max, ..self }
    }

    /// Gives these requests a circuit of their own at each origin, in place of the origin's: for an endpoint that can fail alone. Its
    /// failures keep no other request back, and these pass while the rest of the origin is open.
    #[must_use]
    pub fn own_circuit(self) -> Self {
        Self { scope: Scope::Own, ..self }
    }

    /// Undoes [`own_circuit`](Self::own_circuit) and [`exempt`](Self::exempt): an exception from a wider pattern.
    #[must_use]
    pub fn common_circuit(self) -> Self {
        Self { scope: Scope::Origin, ..self }
    }

    /// Sends these requests whatever the state, and learns nothing from them.
    #[must_use]
    pub fn exempt(self) -> Self {
        Self { scope: Scope::Exempt, ..self }
    }

    /// Names the circuit that `pattern` has for itself.
    pub(super) fn at(mut self, pattern: &EndpointPattern) -> Self {
        if matches!(self.scope, Scope::Own) {
            self.scope = Scope::Endpoint(pattern.as_str().into());
        }
        self
    }

    pub(super) const fn scope(&self) -> &Scope {
        &self.scope
    }

    pub(super) const fn threshold(&self) -> u32 {
        self.failures.get()
    }

    /// How long it stays open after this many failed probes.
    pub(super) fn open(&self, probes: u32) -> Duration {
        let grown = self.open_for.saturating_mul(2_u32.saturating_pow(probes));
        grown.min(self.max_open.max(self.open_for)).min(super::circuit::MAX_RETRY_AFTER)
    }
}

impl Default for CircuitBreakerConfig {
    fn default() -> Self {
        Self {
            failures: super::CircuitBreakerLayer::DEFAULT_FAILURES,
            open_for: super::CircuitBreakerLayer::DEFAULT_OPEN_FOR,
            max_open: super::CircuitBreakerLayer::DEFAULT_MAX_OPEN,
            scope: Scope::Origin,
        }
    }
}
