//! With the feature, counts go to the recorder.

use std::{sync::Arc, time::Duration};

use metrics::{Counter, Gauge, Key, Label, Level, Metadata, SharedString, with_recorder};

use super::{
    ATTEMPTS, CIRCUIT_OPENED, CIRCUIT_REJECTED, CIRCUITS_OPEN, DETACHED, DETACHED_COMPLETED,
    DETACHED_PENDING, DETACHED_REJECTED, FALLBACKS, OTHER, QUEUE_LENGTH, QUEUE_WAIT, RATE_LIMITED,
    RETRIES, RETRIES_STOPPED, TOKEN_FETCHES, describe,
};
use crate::{endpoint::Endpoint, error::NotQueuedReason};

pub(super) static METADATA: Metadata<'static> = Metadata::new("tower_heed", Level::INFO, None);

/// Counts for the requests to one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    pattern: Option<Arc<str>>,
    stack: Option<Arc<str>>,
}

/// A queued request, until dropped.
#[derive(Debug)]
pub(crate) struct InQueue(Meter);

/// A pending detached request, until dropped.
#[derive(Debug)]
pub(crate) struct Pending(Meter);

/// A circuit that is not closed, until dropped.
#[derive(Debug)]
pub(crate) struct OpenCircuit(Meter);

/// Describes the metrics when a layer wraps a service.
pub(crate) fn layered() {
    describe();
}

pub(crate) fn token_fetched(failure: Option<&'static str>, stack: Option<&Arc<str>>) {
    let labels = [Label::from_static_parts("outcome", failure.unwrap_or("ok"))];
    let key = Key::from_parts(TOKEN_FETCHES, with_stack(labels, stack));
    counter(&key).increment(1);
}

/// The labels, and the name of the stack if it has one.
pub(super) fn with_stack<const N: usize>(
    labels: [Label; N],
    stack: Option<&Arc<str>>,
) -> Vec<Label> {
    let stack = stack.map(|name| Label::new("stack", SharedString::from_shared(Arc::clone(name))));
    let mut all = Vec::with_capacity(N + usize::from(stack.is_some()));
    all.extend(labels);
    all.extend(stack);
    all
}

fn counter(key: &Key) -> Counter {
    with_recorder(|recorder| recorder.register_counter(key, &METADATA))
}

// === impl Meter ===

impl Meter {
    pub(crate) fn of<T>(endpoint: &Endpoint<'_, T>) -> Self {
        Self::named(endpoint.shared_pattern(), endpoint.shared_stack())
    }

    pub(crate) const fn named(pattern: Option<Arc<str>>, stack: Option<Arc<str>>) -> Self {
        Self { pattern, stack }
    }

    pub(crate) fn attempted(&self) {
        self.counter(ATTEMPTS).increment(1);
    }

    pub(crate) fn rate_limited(&self) {
        self.counter(RATE_LIMITED).increment(1);
    }

    pub(crate) fn waited(&self, waited: Duration) {
        let key = self.key(QUEUE_WAIT);
        with_recorder(|recorder| recorder.register_histogram(&key, &METADATA)).record(waited);
    }

    pub(crate) fn retried(&self, class: &'static str) {
        self.count(RETRIES, [Label::from_static_parts("class", class)]);
    }

    /// A call that failed was not tried again.
    pub(crate) fn retry_stopped(&self, class: &'static str, reason: &'static str) {
        let labels = [("class", class), ("reason", reason)];
        let labels = labels.map(|(key, value)| Label::from_static_parts(key, value));
        self.count(RETRIES_STOPPED, labels);
    }

    pub(crate) fn enter_queue(&self) -> InQueue {
        self.gauge(QUEUE_LENGTH).increment(1.0);
        InQueue(self.clone())
    }

    /// A call failed open or closed.
    pub(crate) fn fell_back(&self, class: &'static str, outcome: &'static str) {
        let labels = [("class", class), ("outcome", outcome)];
        self.count(FALLBACKS, labels.map(|(key, value)| Label::from_static_parts(key, value)));
    }

    pub(crate) fn circuit_opened(&self, class: &'static str) {
        self.count(CIRCUIT_OPENED, [Label::from_static_parts("class", class)]);
    }

    pub(crate) fn circuit_rejected(&self) {
        self.counter(CIRCUIT_REJECTED).increment(1);
    }

    pub(crate) fn pend(&self) -> Pending {
        self.gauge(DETACHED_PENDING).increment(1.0);
        Pending(self.clone())
    }

    pub(crate) fn detached(&self) {
        self.counter(DETACHED).increment(1);
    }

    pub(crate) fn not_queued(&self, reason: NotQueuedReason) {
        self.count(DETACHED_REJECTED, [Label::from_static_parts("reason", reason.as_str())]);
    }

    fn counter(&self, name: &'static str) -> Counter {
        counter(&self.key(name))
    }

    /// Counts one, with labels besides the endpoint's and the stack's.
    fn count<const N: usize>(&self, name: &'static str, labels: [Label; N]) {
        let mut all = with_stack([self.label()], self.stack.as_ref());
        all.extend(labels);
        counter(&Key::from_parts(name, all)).increment(1);
    }

    fn gauge(&self, name: &'static str) -> Gauge {
        let key = self.key(name);
        with_recorder(|recorder| recorder.register_gauge(&key, &METADATA))
    }

    /// Allocates only for an endpoint or a stack.
    fn key(&self, name: &'static str) -> Key {
        static NO_ENDPOINT: [Label; 1] = [Label::from_static_parts("endpoint", OTHER)];
        match (&self.pattern, &self.stack) {
            (None, None) => Key::from_static_labels(name, &NO_ENDPOINT),
            (_, stack) => Key::from_parts(name, with_stack([self.label()], stack.as_ref())),
        }
    }

    fn label(&self) -> Label {
        let endpoint = match &self.pattern {
            Some(pattern) => SharedString::from_shared(Arc::clone(pattern)),
            None => SharedString::const_str(OTHER),
        };
        Label::new("endpoint", endpoint)
    }
}

// === impl InQueue ===

impl Drop for InQueue {
    fn drop(&mut self) {
        self.0.gauge(QUEUE_LENGTH).decrement(1.0);
    }
}

// === impl OpenCircuit ===

impl OpenCircuit {
    pub(crate) fn new(meter: Meter) -> Self {
        meter.gauge(CIRCUITS_OPEN).increment(1.0);
        Self(meter)
    }
}

impl Drop for OpenCircuit {
    fn drop(&mut self) {
        self.0.gauge(CIRCUITS_OPEN).decrement(1.0);
    }
}

// === impl Pending ===

impl Pending {
    /// Counts the end; without a failure it is a success.
    pub(crate) fn ended(&self, failure: Option<&'static str>) {
        let outcome = failure.unwrap_or("ok");
        self.0.count(DETACHED_COMPLETED, [Label::from_static_parts("outcome", outcome)]);
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.gauge(DETACHED_PENDING).decrement(1.0);
    }
}
