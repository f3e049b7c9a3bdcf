//! Without the feature nothing is counted.

use std::{borrow::Cow, sync::Arc, time};

use http::StatusCode;

use super::Measured;
use crate::{endpoint::Endpoint, error::NotQueuedReason};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter;

#[derive(Debug)]
pub(crate) struct InQueue;

#[derive(Debug)]
pub(crate) struct Pending;

#[derive(Debug)]
pub(crate) struct OpenCircuit;

#[derive(Debug, Default)]
pub(crate) struct Labels;

#[derive(Debug)]
pub(crate) struct Duration;

pub(crate) const fn layered() {}

pub(crate) const fn token_fetched(_: Option<&'static str>, _: Option<&Arc<str>>) {}

// === impl Meter ===

impl Meter {
    pub(crate) const fn of<T>(_endpoint: &Endpoint<'_, T>) -> Self {
        Self
    }

    pub(crate) fn named(_pattern: Option<Arc<str>>, _stack: Option<Arc<str>>) -> Self {
        Self
    }

    pub(crate) const fn attempted(self) {}

    pub(crate) const fn rate_limited(self) {}

    pub(crate) const fn waited(self, _waited: time::Duration) {}

    pub(crate) const fn retried(self, _class: &'static str) {}

    pub(crate) const fn retry_stopped(self, _class: &'static str, _reason: &'static str) {}

    pub(crate) const fn enter_queue(self) -> InQueue {
        InQueue
    }

    pub(crate) const fn fell_back(self, _class: &'static str, _outcome: &'static str) {}

    pub(crate) const fn circuit_opened(self, _class: &'static str) {}

    pub(crate) const fn circuit_rejected(self) {}

    pub(crate) const fn pend(self) -> Pending {
        Pending
    }

    pub(crate) const fn detached(self) {}

    pub(crate) const fn not_queued(self, _reason: NotQueuedReason) {}
}

// === impl Duration ===

impl Duration {
    pub(crate) fn begin<'a, T>(
        _known: &Labels,
        _measured: impl FnOnce() -> Measured<'a>,
        _endpoint: &Endpoint<'_, T>,
    ) -> Option<Self> {
        None
    }

    pub(crate) fn ended(self, _status: Option<StatusCode>, _error: Option<Cow<'static, str>>) {}
}

// === impl OpenCircuit ===

impl OpenCircuit {
    pub(crate) const fn new(_meter: Meter) -> Self {
        Self
    }
}

// === impl Pending ===

impl Pending {
    pub(crate) const fn ended(&self, _failure: Option<&'static str>) {}
}
