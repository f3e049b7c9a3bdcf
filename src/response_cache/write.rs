//! A request that may change a resource, and what its response means for what is kept of it.

use std::{error::Error, sync::Arc};

use http::Response;

use super::{events, key::Tag, layer::Rules};
use crate::{
    BoxError,
    policy::{Classification, ErrorClass},
};

/// A write that is on its way. Dropped before its response came, it leaves open whether anything was changed.
#[derive(Debug)]
pub(super) struct Write {
    rules: Arc<Rules>,
    pattern: Arc<str>,
    resource: Tag,
    is_settled: bool,
}

// === impl Write ===

impl Write {
    pub(super) const fn new(rules: Arc<Rules>, pattern: Arc<str>, resource: Tag) -> Self {
        Self { rules, pattern, resource, is_settled: false }
    }

    pub(super) fn end<B>(mut self, result: &Result<Response<B>, BoxError>) {
        self.is_settled = true;
        let failure = match result {
            Ok(response) => self.failure(response),
            Err(error) => Some(of_error(error.as_ref())),
        };
        match failure {
            None => {
                self.rules.store.generations.invalidate(self.resource);
                events::overwritten(&self.pattern);
            }
            Some(class) if was_carried_out_perhaps(class) => self.doubt(),
            Some(_) => {}
        }
    }

    fn failure<B>(&self, response: &Response<B>) -> Option<ErrorClass> {
        if let Some(found) = response.extensions().get::<Classification>() {
            return Some(found.class());
        }
        let now = || self.rules.clock.system_time();
        let (classifier, status) = (&*self.rules.classifier, response.status());
        Classification::of_answer_when(classifier, status, response.headers(), &now)
            .map(|failure| failure.class())
    }

    fn doubt(&self) {
        self.rules.store.generations.doubt(self.resource);
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        if !self.is_settled {
            self.doubt();
        }
    }
}

/// An error of which nothing is known may have come after the write.
fn of_error(error: &(dyn Error + 'static)) -> ErrorClass {
    Classification::of_error(error).map_or(ErrorClass::Interrupted, |failure| failure.class())
}

const fn was_carried_out_perhaps(class: ErrorClass) -> bool {
    match class {
        ErrorClass::Timeout | ErrorClass::Unavailable | ErrorClass::Interrupted => true,
        ErrorClass::RateLimited
        | ErrorClass::Unauthenticated
        | ErrorClass::Forbidden
        | ErrorClass::Connect
        | ErrorClass::Rejected
        | ErrorClass::Throttled
        | ErrorClass::TokenUnavailable => false,
    }
}
