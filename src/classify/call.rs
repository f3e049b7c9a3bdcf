use std::{error::Error, sync::Arc};

use http::{Request, Response};
use tokio::time::Instant;

use super::{
    events,
    session::{Evidence, Point},
    shared::{Place, Shared},
};
use crate::{
    classify::{Classification, ErrorClass},
    extensions::{Deadline, Recovery, TokenReplaced},
};

/// What is remembered of a request until its answer comes.
#[derive(Debug)]
pub(super) struct Call {
    shared: Arc<Shared>,
    place: Place,
    sent: Point,
    recovers: bool,
    deadline: Option<Deadline>,
}

/// How much of the body of an answer that becomes an error is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) bytes: usize,
    pub(super) until: Option<Instant>,
}

// === impl Call ===

impl Call {
    #[inline(always)]
    pub(super) fn of<B>(shared: &Arc<Shared>, request: &Request<B>) -> Self {
        let place = shared.place(request);
        let (config, _) = shared.at(place);
        Self {
            place,
            sent: shared.session.now(),
            // While the handler runs nothing starts it, so the mark is for what it leaves running.
            recovers: shared.handler.is_some() && request.extensions().get::<Recovery>().is_some(),
            deadline: config.error_for_status.then(|| Deadline::of(request)).flatten(),
            shared: Arc::clone(shared),
        }
    }

    /// What the answer means; none for a success.
    #[inline(always)]
    pub(super) fn answered<B>(&self, answer: &Response<B>) -> Option<Classification> {
        let (config, endpoint) = self.shared.at(self.place);
        let now = || self.shared.clock.system_time();
        let status = answer.status();
        let Some(failure) =
            Classification::of_response_when(&*config.classifier, status, answer.headers(), &now)
        else {
            self.observe(Evidence::Accepted);
            return None;
        };
        // The token cache has replaced what was rejected, so this says nothing about what is in use now.
        let replaced = answer.extensions().get::<TokenReplaced>().is_some();
        self.refused(&failure, endpoint, replaced);
        Some(failure)
    }

    #[cold]
    fn refused(&self, failure: &Classification, endpoint: Option<&str>, replaced: bool) {
        if failure.class() == ErrorClass::RateLimited {
            events::rate_limited(failure, endpoint);
        }
        self.observe(if replaced { Evidence::Nothing } else { Evidence::of(failure) });
    }

    pub(super) fn failed(&self, error: &(dyn Error + 'static)) {
        self.observe(
            Classification::of_error(error).as_ref().map_or(Evidence::Nothing, Evidence::of),
        );
    }

    /// How much of a failing answer's body is read; none if the answer stays an answer.
    pub(super) fn bounds(&self) -> Option<Bounds> {
        let (config, _) = self.shared.at(self.place);
        config.error_for_status.then(|| {
            let own = self.shared.clock.now().checked_add(config.error_body_wait);
            let deadline = self.deadline.map(Deadline::instant);
            let until = own.into_iter().chain(deadline).min();
            Bounds { bytes: config.error_body_bytes, until }
        })
    }

    #[inline]
    fn observe(&self, evidence: Evidence) {
        if self.shared.at(self.place).0.public {
            return;
        }
        let handler = self.shared.handler.as_ref().filter(|_| !self.recovers);
        self.shared.session.observe(evidence, self.sent, handler);
    }
}
