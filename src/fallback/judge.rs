//! What becomes of a call that failed.

use std::error::Error;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

use super::{call::Call, config::Then};
use crate::{
    classify::{Classification, Classifier, ErrorClass, Preset},
    error::{self, as_a, chain},
    fallback::denial,
};

/// A call that failed, and what is to be done about it.
pub(super) struct Failed {
    pub(super) then: Then,
    pub(super) classification: Classification,
    /// Set where it was to be answered and must not be.
    pub(super) denied: Option<ErrorClass>,
}

// === impl Call ===

impl Call {
    /// What an answer means here; none for a success.
    pub(super) fn answered<B>(&self, answer: &Response<B>) -> Option<Failed> {
        let (status, headers) = (answer.status(), answer.headers());
        let left = answer.extensions().get::<Classification>();
        // The common case: a success of which nobody has said anything.
        let own = || self.read(&*self.rules.classifier, status, headers);
        let standard = || {
            let read = || self.read(&Preset::Standard, status, headers);
            self.is_closed_to(status).then(read).flatten()
        };
        let found = match left {
            Some(left) => left.clone(),
            None => own().or_else(standard)?,
        };
        Some(self.judge(found, Some(status), |found| {
            let denied = denial::of_answer(found, status, headers);
            // Two may read an answer differently. That one of them takes it for a denial is enough.
            denied.or_else(|| {
                left?;
                denial::of_answer(&own()?, status, headers)
            })
        }))
    }

    /// What an error means here; none for one of unknown meaning.
    pub(super) fn failed(&self, error: &(dyn Error + 'static)) -> Option<Failed> {
        let found = Classification::of_error(error)?;
        let answers =
            || chain(error).filter_map(as_a::<error::Error>).filter_map(error::Error::response);
        // An answer that became an error is read by this layer's classifier as well.
        let own = |answer: &Response<Bytes>| {
            let found = self.read(&*self.rules.classifier, answer.status(), answer.headers())?;
            denial::of_answer(&found, answer.status(), answer.headers())
        };
        let status = match found.class() {
            // That of the issuer's answer, which is never passed on.
            ErrorClass::TokenUnavailable => None,
            _ => found.status().or_else(|| answers().next().map(Response::status)),
        };
        Some(
            self.judge(found, status, |_| {
                denial::of_error(error).or_else(|| answers().find_map(own))
            }),
        )
    }

    fn read(
        &self,
        classifier: &dyn Classifier,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Option<Classification> {
        let now = || self.rules.clock.system_time();
        Classification::of_response_when(classifier, status, headers, &now)
    }

    fn judge(
        &self,
        classification: Classification,
        status: Option<StatusCode>,
        denied: impl FnOnce(&Classification) -> Option<ErrorClass>,
    ) -> Failed {
        let mut then = self.config.then(classification.class());
        let mut denial = None;
        if then == Then::Open {
            denial = denied(&classification);
            // What is done about a denial is what is done about its class, and only a layer that was told so opens to it: to
            // what the answer was taken for, and to what it is.
            let doors = [denial, status.and_then(denial::of_status)];
            let mut thens = doors.into_iter().flatten().map(|class| self.config.then(class));
            then = thens.find(|then| *then != Then::Open).unwrap_or(Then::Open);
        }
        if then == Then::PassThrough && status.is_some_and(|status| self.is_closed_to(status)) {
            then = Then::Closed;
        }
        Failed { then, classification, denied: denial }
    }

    /// Whether an answer of this status is not to be passed on, whatever a classifier takes it for: it was meant for this
    /// program.
    fn is_closed_to(&self, status: StatusCode) -> bool {
        let class = match status {
            StatusCode::TOO_MANY_REQUESTS => Some(ErrorClass::RateLimited),
            status => denial::of_status(status),
        };
        class.is_some_and(|class| self.config.then(class) == Then::Closed)
    }
}
