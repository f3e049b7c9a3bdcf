//! With the feature, counts go to the recorder.

use std::{sync::Arc, time::Duration};

use metrics::{Counter, Gauge, Key, Label, Level, Metadata, SharedString, counter, with_recorder};

use super::{
    ATTEMPTS, DETACHED, DETACHED_COMPLETED, DETACHED_PENDING, DETACHED_REJECTED, FALLBACKS, OTHER,
    QUEUE_LENGTH, QUEUE_WAIT, RATE_LIMITED, RETRIES, TOKEN_FETCHES, describe,
};
use crate::{endpoint::Endpoint, error::NotQueuedReason};

pub(super) static METADATA: Metadata<'static> = Metadata::new("tower_heed", Level::INFO, None);

/// Counts for the requests to one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Meter(Option<Arc<str>>);

/// A queued request, until dropped.
#[derive(Debug)]
pub(crate) struct InQueue(Meter);

/// A pending detached request, until dropped.
#[derive(Debug)]
pub(crate) struct Pending(Meter);

/// Describes the metrics when a layer wraps a service.
pub(crate) fn layered() {
    describe();
}

pub(crate) fn token_fetched(failure: Option<&'static str>) {
    counter!(TOKEN_FETCHES, "outcome" => failure.unwrap_or("ok")).increment(1);
}

// === impl Meter ===

impl Meter {
    pub(crate) fn of<T>(endpoint: &Endpoint<'_, T>) -> Self {
        Self::named(endpoint.shared_pattern())
    }

    pub(crate) const fn named(pattern: Option<Arc<str>>) -> Self {
        Self(pattern)
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
        counter!(RETRIES, "endpoint" => self.label(), "class" => class).increment(1);
    }

    pub(crate) fn enter_queue(&self) -> InQueue {
        self.gauge(QUEUE_LENGTH).increment(1.0);
        InQueue(self.clone())
    }

    /// A call failed open or closed.
    pub(crate) fn fell_back(&self, class: &'static str, outcome: &'static str) {
        let endpoint = self.label();
        counter!(FALLBACKS, "endpoint" => endpoint, "class" => class, "outcome" => outcome)
            .increment(1);
    }

    pub(crate) fn pend(&self) -> Pending {
        self.gauge(DETACHED_PENDING).increment(1.0);
        Pending(self.clone())
    }

    pub(crate) fn detached(&self) {
        self.counter(DETACHED).increment(1);
    }

    pub(crate) fn not_queued(&self, reason: NotQueuedReason) {
        let reason = match reason {
            NotQueuedReason::Full { .. } => "full",
            NotQueuedReason::ShutDown => "shut_down",
            NotQueuedReason::NoRuntime => "no_runtime",
        };
        counter!(DETACHED_REJECTED, "endpoint" => self.label(), "reason" => reason).increment(1);
    }

    fn counter(&self, name: &'static str) -> Counter {
        let key = self.key(name);
        with_recorder(|recorder| recorder.register_counter(&key, &METADATA))
    }

    fn gauge(&self, name: &'static str) -> Gauge {
        let key = self.key(name);
        with_recorder(|recorder| recorder.register_gauge(&key, &METADATA))
    }

    /// Allocates only for an endpoint.
    fn key(&self, name: &'static str) -> Key {
        static NO_ENDPOINT: [Label; 1] = [Label::from_static_parts("endpoint", OTHER)];
        match &self.0 {
            Some(_) => Key::from_parts(name, vec![Label::new("endpoint", self.label())]),
            None => Key::from_static_labels(name, &NO_ENDPOINT),
        }
    }

    fn label(&self) -> SharedString {
        match &self.0 {
            Some(endpoint) => SharedString::from_shared(Arc::clone(endpoint)),
            None => SharedString::const_str(OTHER),
        }
    }
}

// === impl InQueue ===

impl Drop for InQueue {
    fn drop(&mut self) {
        self.0.gauge(QUEUE_LENGTH).decrement(1.0);
    }
}

// === impl Pending ===

impl Pending {
    /// Counts the end; without a failure it is a success.
    pub(crate) fn ended(&self, failure: Option<&'static str>) {
        let outcome = failure.unwrap_or("ok");
        let endpoint = self.0.label();
        counter!(DETACHED_COMPLETED, "endpoint" => endpoint, "outcome" => outcome).increment(1);
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.gauge(DETACHED_PENDING).decrement(1.0);
    }
}
