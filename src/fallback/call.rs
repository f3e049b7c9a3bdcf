//! What is kept of a call, and what is decided when it fails.

use std::{error::Error, sync::Arc};

use http::{Method, Request, Response, Uri};

use super::{Config, Failure, UpstreamUnavailable, config::Then, layer::Rules};
use crate::{
    BoxError,
    error::chain,
    policy::{Classification, ErrorClass, denial, errors::ClassifiedError},
};

/// A call that is under way.
pub(super) struct Call {
    rules: Arc<Rules>,
    config: Arc<Config>,
    endpoint: Option<Arc<str>>,
    /// For those who may answer it.
    head: Option<(Method, Uri)>,
}

/// A call that failed, and what is to be done about it.
pub(super) struct Failed {
    pub(super) then: Then,
    pub(super) classification: Classification,
    /// Set where it was to be answered and must not be.
    pub(super) denied: Option<ErrorClass>,
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
        })
    }

    /// What an answer means here; none for a success.
    pub(super) fn answered<B>(&self, answer: &Response<B>) -> Option<Failed> {
        let left = answer.extensions().get::<Classification>();
        // The common case: a success of which nobody has said anything.
        let own = || {
            Classification::of_answer_when(
                &*self.rules.classifier,
                answer.status(),
                answer.headers(),
                &|| self.rules.clock.system_time(),
            )
        };
        let found = match left {
            Some(left) => left.clone(),
            None => own()?,
        };
        Some(self.judge(found, |found| {
            let denied = denial::of_answer(found, answer.status(), answer.headers());
            // Two may read an answer differently. That one of them takes it for a denial is enough.
            denied.or_else(|| {
                left?;
                denial::of_answer(&own()?, answer.status(), answer.headers())
            })
        }))
    }

    /// What an error means here; none for one of unknown meaning.
    pub(super) fn failed(&self, error: &(dyn Error + 'static)) -> Option<Failed> {
        let found = Classification::of_error(error)?;
        // An answer that became an error is read by this layer's classifier as well.
        let own = |error: &ClassifiedError| {
            let found = Classification::of_answer_when(
                &*self.rules.classifier,
                error.status(),
                error.headers(),
                &|| self.rules.clock.system_time(),
            )?;
            denial::of_answer(&found, error.status(), error.headers())
        };
        Some(self.judge(found, |_| {
            let answers = || chain(error).filter_map(|link| link.downcast_ref::<ClassifiedError>());
            denial::of_error(error).or_else(|| answers().find_map(own))
        }))
    }

    fn judge(
        &self,
        classification: Classification,
        denied: impl FnOnce(&Classification) -> Option<ErrorClass>,
    ) -> Failed {
        let then = self.config.then(classification.class());
        if then != Then::Open {
            return Failed { then, classification, denied: None };
        }
        let denied = denied(&classification);
        // What is done about a denial is what is done about its class, and only a layer that was told so opens to it.
        let then = match denied.map(|class| self.config.then(class)) {
            None | Some(Then::Open) => Then::Open,
            Some(Then::Closed) => Then::Closed,
            Some(Then::PassThrough) => Then::PassThrough,
        };
        Failed { then, classification, denied }
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
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
