//! A call, and how its failure is handled.

use std::{error::Error as StdError, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};

use super::{
    FailedRequest, OnFailure,
    config::{Action, FallbackConfig},
    denial,
    layer::Settings,
};
use crate::{
    body::Upload,
    classify::{Classification, Classifier, ErrorClass, Preset},
    endpoint::Candidates,
    error::{Error, as_a, chain},
    extensions::Deadline,
    metrics::Meter,
};

/// The facts about a call that handling its failure needs.
pub(super) struct Call {
    pub(super) settings: Arc<Settings>,
    pub(super) config: Arc<FallbackConfig>,
    pub(super) endpoint: Option<Arc<str>>,
    /// Kept for the closure.
    head: Option<(Method, Uri)>,
    deadline: Option<Deadline>,
    /// None if the whole body was there at the call, or nobody told.
    upload: Option<Upload>,
}

/// A failure, and how it is handled.
pub(super) struct Failed {
    pub(super) action: Action,
    pub(super) classification: Classification,
    /// Whether the class fails open and the failure concerns credentials.
    pub(super) is_denied: bool,
}

/// The strictest of the settings that a request may be for, and what the request itself asks for.
fn config_of(
    endpoint: &Candidates<'_, Arc<FallbackConfig>>,
    asked: Option<&OnFailure>,
) -> Option<Arc<FallbackConfig>> {
    let stricter = |one: Arc<FallbackConfig>, other: &Arc<FallbackConfig>| {
        if Arc::ptr_eq(&one, other) { one } else { Arc::new(one.stricter(other)) }
    };
    let mut configured = endpoint.configured().iter().copied();
    let configured = configured.next().map(|first| configured.fold(Arc::clone(first), stricter));
    let base = endpoint.base().cloned();
    let (configured, base) = match asked {
        None => (configured, base),
        Some(OnFailure(None)) => {
            let closed =
                |config: Arc<FallbackConfig>| Arc::new(config.stricter(&FallbackConfig::CLOSED));
            (configured.map(closed), base.map(closed))
        }
        Some(OnFailure(Some(open))) => (
            configured.map(|config| Arc::new(open.stricter(&config))),
            base.map(|base| Arc::new(base.opened_by(open))),
        ),
    };
    match (configured, base) {
        (Some(configured), Some(base)) => Some(stricter(configured, &base)),
        (configured, base) => configured.or(base),
    }
}

// === impl Call ===

impl Call {
    /// None if all failures of the call pass through.
    pub(super) fn of<B>(request: &Request<B>, settings: &Arc<Settings>) -> Option<Self> {
        let endpoint = settings.endpoints.candidates(request);
        let config = config_of(&endpoint, request.extensions().get())?;
        if config.does_nothing() {
            return None;
        }
        Some(Self {
            settings: Arc::clone(settings),
            endpoint: endpoint.shared_pattern(),
            head: config.may_open().then(|| (request.method().clone(), request.uri().clone())),
            deadline: Deadline::of(request),
            upload: request.extensions().get().cloned(),
            config,
        })
    }

    /// How a response is handled; none for a success.
    pub(super) fn on_response<B>(&self, response: &Response<B>) -> Option<Failed> {
        let (status, headers) = (response.status(), response.headers());
        let attached = response.extensions().get::<Classification>();
        let own = || self.classify(&*self.settings.classifier, status, headers);
        let standard = || {
            let classify = || self.classify(&Preset::Standard, status, headers);
            self.never_passes(status).then(classify).flatten()
        };
        let classification = match attached {
            Some(attached) => attached.clone(),
            None => own().or_else(standard)?,
        };
        Some(self.handle(classification, Some(status), |found| {
            let denied = denial::of_response(found, status, headers);
            // Two classifiers may disagree about a response. One that takes it for a denial is enough.
            denied.or_else(|| {
                attached?;
                denial::of_response(&own()?, status, headers)
            })
        }))
    }

    /// How an error is handled; none for an unknown one.
    pub(super) fn on_error(&self, error: &(dyn StdError + 'static)) -> Option<Failed> {
        let classification = Classification::of_error(error)?;
        let errors = || chain(error).filter_map(as_a::<Error>);
        let responses = || errors().filter_map(Error::response);
        // The layer's own classifier also sees responses that became errors.
        let own = |response: &Response<Bytes>| {
            let (status, headers) = (response.status(), response.headers());
            let found = self.classify(&*self.settings.classifier, status, headers)?;
            denial::of_response(&found, status, headers)
        };
        let status = match classification.class() {
            // The status is the token endpoint's, which is never passed on.
            ErrorClass::TokenUnavailable => None,
            _ => classification.status().or_else(|| responses().next().map(Response::status)),
        };
        let denied = || denial::of_error(error).or_else(|| responses().find_map(own));
        Some(self.handle(classification, status, |_| denied()))
    }

    /// Whether the caller can wait for longer than `wait`.
    pub(super) fn has_time_for(&self, wait: Duration) -> bool {
        let now = self.settings.clock.now();
        self.deadline.is_none_or(|deadline| deadline.remaining(now) > wait)
    }

    pub(super) fn meter(&self) -> Meter {
        Meter::named(self.endpoint.clone(), self.settings.endpoints.stack().cloned())
    }

    /// The argument for the closure.
    pub(super) fn failed_request(&mut self, found: &Classification) -> Option<FailedRequest> {
        let (method, uri) = self.head.take()?;
        let (endpoint, classification) = (self.endpoint.clone(), found.clone());
        Some(FailedRequest { method, uri, endpoint, classification })
    }

    fn classify(
        &self,
        classifier: &dyn Classifier,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Option<Classification> {
        let now = || self.settings.clock.system_time();
        Classification::of_response_when(classifier, status, headers, &now)
    }

    fn handle(
        &self,
        classification: Classification,
        status: Option<StatusCode>,
        denied: impl FnOnce(&Classification) -> Option<ErrorClass>,
    ) -> Failed {
        let mut action = self.config.action(classification.class());
        let mut is_denied = false;
        if action == Action::FailOpen {
            let denial = denied(&classification);
            is_denied = denial.is_some();
            // A denial is handled as its class is. It fails open only if both its class and that of its status do.
            let classes = [denial, status.and_then(denial::of_status)];
            let mut actions = classes.into_iter().flatten().map(|class| self.config.action(class));
            action = actions.find(|action| *action != Action::FailOpen).unwrap_or(action);
        }
        // A client could open the call by its own request.
        let class = classification.class();
        let is_callers =
            class.is_about_request(status) || class.is_about_upload(self.upload.as_ref());
        if action == Action::FailOpen && is_callers {
            action = Action::PassThrough;
        }
        if action == Action::PassThrough && status.is_some_and(|status| self.never_passes(status)) {
            action = Action::FailClosed;
        }
        Failed { action, classification, is_denied }
    }

    /// Whether a response with this status is meant for this program and must not pass, whatever a classifier makes of it.
    fn never_passes(&self, status: StatusCode) -> bool {
        let class = match status {
            StatusCode::TOO_MANY_REQUESTS => Some(ErrorClass::RateLimited),
            status => denial::of_status(status),
        };
        class.is_some_and(|class| self.config.action(class) == Action::FailClosed)
    }
}
