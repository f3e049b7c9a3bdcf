use std::{error::Error, sync::Arc};

use http::{HeaderMap, Request, Response, StatusCode};
use tokio::time::Instant;

use super::{
    Classification, ErrorClass, events,
    layer::Settings,
    session::{Evidence, Generation},
};
use crate::{
    body::Upload,
    endpoint::EndpointIndex,
    extensions::{Deadline, Recovery, TokenReplaced},
    headers::BearerChallenge,
};

/// What the layer keeps of a request until its response arrives.
#[derive(Debug)]
pub(super) struct Call {
    settings: Arc<Settings>,
    endpoint: EndpointIndex,
    sent: Generation,
    is_recovery: bool,
    deadline: Option<Deadline>,
    /// None if the whole body was there at the call, or nobody told.
    upload: Option<Upload>,
}

/// How much of a failing response's body is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) bytes: usize,
    pub(super) until: Option<Instant>,
}

// === impl Call ===

impl Call {
    #[inline(always)]
    pub(super) fn of<B>(settings: &Arc<Settings>, request: &Request<B>) -> Self {
        let endpoint = settings.endpoints.index_of(request);
        let config = settings.endpoints.at(endpoint).config();
        let is_recovery =
            settings.handler.is_some() && request.extensions().get::<Recovery>().is_some();
        Self {
            endpoint,
            sent: settings.session.generation(),
            is_recovery,
            deadline: config.error_for_status.then(|| Deadline::of(request)).flatten(),
            upload: request.extensions().get().cloned(),
            settings: Arc::clone(settings),
        }
    }

    /// Classifies the response and reports it to the session.
    #[inline(always)]
    pub(super) fn on_response<B>(&self, response: &Response<B>) -> Option<Classification> {
        let config = self.settings.endpoints.at(self.endpoint).config();
        let (status, headers) = (response.status(), response.headers());
        let now = || self.settings.clock.system_time();
        // What a layer inside has read in the body.
        let attached = response.extensions().get::<Classification>();
        let own = || Classification::of_response_when(&*config.classifier, status, headers, &now);
        let Some(failure) = attached.cloned().or_else(own) else {
            self.observe(Evidence::Accepted);
            return None;
        };
        // A rejected token that has been replaced says nothing about the one now in use.
        let is_no_sign_out =
            response.extensions().get::<TokenReplaced>().is_some() || is_denial(&failure, headers);
        self.on_failure(&failure, is_no_sign_out);
        Some(failure)
    }

    #[cold]
    fn on_failure(&self, failure: &Classification, is_no_sign_out: bool) {
        if failure.class() == ErrorClass::RateLimited {
            events::rate_limited(failure, &self.settings.endpoints.at(self.endpoint));
        }
        self.observe(if is_no_sign_out { Evidence::Nothing } else { self.evidence_of(failure) });
    }

    pub(super) fn on_error(&self, error: &(dyn Error + 'static)) {
        let found = Classification::of_error(error);
        self.observe(found.map_or(Evidence::Nothing, |found| self.evidence_of(&found)));
    }

    /// Nothing, if the caller may have caused the failure.
    fn evidence_of(&self, failure: &Classification) -> Evidence {
        let class = failure.class();
        let is_callers =
            class.is_about_request(failure.status()) || class.is_about_upload(self.upload.as_ref());
        if is_callers { Evidence::Nothing } else { Evidence::of(failure) }
    }

    /// How much of the body to read, if the failing response is to become an error.
    pub(super) fn bounds(&self) -> Option<Bounds> {
        let config = self.settings.endpoints.at(self.endpoint).config();
        config.error_for_status.then(|| {
            let own = self.settings.clock.now().checked_add(config.error_body_wait);
            let deadline = self.deadline.map(Deadline::instant);
            let until = own.into_iter().chain(deadline).min();
            Bounds { bytes: config.error_body_bytes, until }
        })
    }

    /// The pattern of the endpoint.
    pub(super) fn pattern(&self) -> Option<Arc<str>> {
        self.settings.endpoints.at(self.endpoint).shared_pattern()
    }

    #[inline]
    fn observe(&self, evidence: Evidence) {
        if self.settings.endpoints.at(self.endpoint).config().public {
            return;
        }
        let handler = self.settings.handler.as_ref().filter(|_| !self.is_recovery);
        let stack = self.settings.endpoints.stack();
        let clock = &self.settings.clock;
        self.settings.session.observe(evidence, self.sent, handler, stack, clock);
    }
}

/// Whether a 401 means what a 403 does: its challenge says that the credentials are good, and do not allow this.
fn is_denial(failure: &Classification, headers: &HeaderMap) -> bool {
    failure.class() == ErrorClass::Unauthenticated
        && failure.status() == Some(StatusCode::UNAUTHORIZED)
        && !matches!(
            BearerChallenge::from_headers(headers),
            BearerChallenge::TokenRejected | BearerChallenge::OtherScheme
        )
}
