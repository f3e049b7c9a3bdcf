//! Without the feature: nothing.

use std::{sync::Arc, time::Duration};

use crate::{endpoint::Endpoint, error::Obstacle};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter;

#[derive(Debug)]
pub(crate) struct InLine;

#[derive(Debug)]
pub(crate) struct Pending;

pub(crate) const fn layered() {}

pub(crate) const fn token_fetched(_failure: Option<&'static str>) {}

// === impl Meter ===

impl Meter {
    pub(crate) const fn of<T>(_endpoint: &Endpoint<'_, T>) -> Self {
        Self
    }

    pub(crate) fn named(_pattern: Option<Arc<str>>) -> Self {
        Self
    }

    pub(crate) const fn sent(self) {}

    pub(crate) const fn refused(self) {}

    pub(crate) const fn waited(self, _waited: Duration) {}

    pub(crate) const fn retried(self, _class: &'static str) {}

    pub(crate) const fn line_up(self) -> InLine {
        InLine
    }

    pub(crate) const fn fell_back(self, _class: &'static str, _outcome: &'static str) {}

    pub(crate) const fn pend(self) -> Pending {
        Pending
    }

    pub(crate) const fn taken_on(self) {}

    pub(crate) const fn not_taken_on(self, _obstacle: Obstacle) {}
}

// === impl Pending ===

impl Pending {
    pub(crate) const fn ended(&self, _failure: Option<&'static str>) {}
}
