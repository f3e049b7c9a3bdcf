//! A request that may change a resource, and what its response means for what is kept of it.

use std::{error::Error, sync::Arc};

use http::{Method, Request, Response};

use super::{events, key::Tag, shared::Rules};
use crate::{
    BoxError,
    classify::{Classification, ErrorClass},
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
    /// This request, if it may change a resource of which something may be kept.
    pub(super) fn of<B>(rules: &Arc<Rules>, request: &Request<B>) -> Option<Self> {
        if request.method().is_safe() {
            return None;
        }
        let uri = request.uri();
        let endpoint = rules.endpoints.get(&Method::GET, uri.path());
        let pattern = endpoint.config().as_ref().and(endpoint.shared_pattern())?;
        let resource = rules.store.secret.resource(uri, Some(request.headers()));
        Some(Self { rules: Arc::clone(rules), pattern, resource, is_settled: false })
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
        let (status, headers) = (response.status(), response.headers());
        let failure = self.rules.failure(status, headers, response.extensions());
        failure.map(|failure| failure.class())
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
