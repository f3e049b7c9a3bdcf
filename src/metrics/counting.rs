//! With the feature: what is told to the recorder.

use std::{sync::Arc, time::Duration};

use metrics::{Counter, Gauge, Key, Label, Level, Metadata, SharedString, counter, with_recorder};

use crate::{
    endpoint::Endpoint,
    error::Obstacle,
    metrics::{
        DETACHED, DETACHED_ENDS, DETACHED_PENDING, DETACHED_REFUSALS, FALLBACKS, OTHER,
        QUEUE_LENGTH, REFUSALS, RETRIES, SENDS, TOKENS_FETCHED, WAIT, describe,
    },
};

pub(super) static METADATA: Metadata<'static> = Metadata::new("tower_heed", Level::INFO, None);

/// What is counted of the requests to one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Meter(Option<Arc<str>>);

/// One that waits in line, for as long as this is kept.
#[derive(Debug)]
pub(crate) struct InLine(Meter);

/// One that is to be sent in the background, for as long as this is kept.
#[derive(Debug)]
pub(crate) struct Pending(Meter);

/// A layer is put around a service.
pub(crate) fn layered() {
    describe();
}

pub(crate) fn token_fetched(failure: Option<&'static str>) {
    counter!(TOKENS_FETCHED, "outcome" => failure.unwrap_or("ok")).increment(1);
}

// === impl Meter ===

impl Meter {
    pub(crate) fn of<T>(endpoint: &Endpoint<'_, T>) -> Self {
        Self::named(endpoint.shared_pattern())
    }

    pub(crate) const fn named(pattern: Option<Arc<str>>) -> Self {
        Self(pattern)
    }

    pub(crate) fn sent(&self) {
        self.counter(SENDS).increment(1);
    }

    pub(crate) fn refused(&self) {
        self.counter(REFUSALS).increment(1);
    }

    pub(crate) fn waited(&self, waited: Duration) {
        let key = self.key(WAIT);
        with_recorder(|recorder| recorder.register_histogram(&key, &METADATA)).record(waited);
    }

    pub(crate) fn retried(&self, class: &'static str) {
        counter!(RETRIES, "endpoint" => self.label(), "class" => class).increment(1);
    }

    pub(crate) fn line_up(&self) -> InLine {
        self.gauge(QUEUE_LENGTH).increment(1.0);
        InLine(self.clone())
    }

    /// The upstream failed, and the caller got something in its place.
    pub(crate) fn fell_back(&self, class: &'static str, outcome: &'static str) {
        let endpoint = self.label();
        counter!(FALLBACKS, "endpoint" => endpoint, "class" => class, "outcome" => outcome)
            .increment(1);
    }

    /// A request that is taken on is pending from then on.
    pub(crate) fn pend(&self) -> Pending {
        self.gauge(DETACHED_PENDING).increment(1.0);
        Pending(self.clone())
    }

    pub(crate) fn taken_on(&self) {
        self.counter(DETACHED).increment(1);
    }

    pub(crate) fn not_taken_on(&self, obstacle: Obstacle) {
        let obstacle = match obstacle {
            Obstacle::Full { .. } => "full",
            Obstacle::ShutDown => "shut_down",
            Obstacle::NoRuntime => "no_runtime",
        };
        counter!(DETACHED_REFUSALS, "endpoint" => self.label(), "obstacle" => obstacle)
            .increment(1);
    }

    fn counter(&self, name: &'static str) -> Counter {
        let key = self.key(name);
        with_recorder(|recorder| recorder.register_counter(&key, &METADATA))
    }

    fn gauge(&self, name: &'static str) -> Gauge {
        let key = self.key(name);
        with_recorder(|recorder| recorder.register_gauge(&key, &METADATA))
    }

    /// Without an endpoint it costs no allocation.
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

// === impl InLine ===

impl Drop for InLine {
    fn drop(&mut self) {
        self.0.gauge(QUEUE_LENGTH).decrement(1.0);
    }
}

// === impl Pending ===

impl Pending {
    /// It comes to an end; without a failure it was sent.
    pub(crate) fn ended(&self, failure: Option<&'static str>) {
        let outcome = failure.unwrap_or("ok");
        counter!(DETACHED_ENDS, "endpoint" => self.0.label(), "outcome" => outcome).increment(1);
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.gauge(DETACHED_PENDING).decrement(1.0);
    }
}
