//! What is kept of a call until it ends.

use std::{sync::Arc, time::Duration};

use http::{Method, Request, Uri};

use super::{Config, Failure, UpstreamUnavailable, layer::Rules};
use crate::{BoxError, classify::Classification, extensions::Deadline, metrics::Meter};

/// A call that is under way.
pub(super) struct Call {
    pub(super) rules: Arc<Rules>,
    pub(super) config: Arc<Config>,
    endpoint: Option<Arc<str>>,
    /// For those who may answer it.
    head: Option<(Method, Uri)>,
    deadline: Option<Deadline>,
}

// === impl Call ===

impl Call {
    /// What to keep of a call; nothing where no failure of it is of interest.
    pub(super) fn of<B>(request: &Request<B>, rules: &Arc<Rules>) -> Option<Self> {
        let endpoint = rules.endpoints.of(request);
        let config = endpoint.config();
        if config.does_nothing() {
            return None;
        }
        Some(Self {
            rules: Arc::clone(rules),
            config: Arc::clone(config),
            endpoint: endpoint.shared_pattern(),
            head: config.may_open().then(|| (request.method().clone(), request.uri().clone())),
            deadline: Deadline::of(request),
        })
    }

    /// Whether the caller can wait for longer than this.
    pub(super) fn has_time_for(&self, wait: Duration) -> bool {
        let now = self.rules.clock.now();
        self.deadline.is_none_or(|deadline| deadline.remaining(now) > wait)
    }

    pub(super) fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    pub(super) fn meter(&self) -> Meter {
        Meter::named(self.endpoint.clone())
    }

    /// What the closure gets.
    pub(super) fn failure(&mut self, classification: &Classification) -> Option<Failure> {
        let (method, uri) = self.head.take()?;
        let (endpoint, classification) = (self.endpoint.clone(), classification.clone());
        Some(Failure { method, uri, endpoint, classification })
    }

    pub(super) fn unavailable(
        &self,
        classification: Classification,
        source: Option<BoxError>,
    ) -> UpstreamUnavailable {
        UpstreamUnavailable::new(classification, self.endpoint.clone(), source)
    }
}
