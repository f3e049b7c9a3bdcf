//! A request that may change a resource, and what its outcome means for the stored responses.

use std::sync::Arc;

use http::{Method, Request, Response};

use super::{
    events,
    key::Tag,
    shared::{CachedEndpoint, Shared},
};
use crate::{
    BoxError,
    classify::{Classification, ErrorClass},
    headers::overrides_method,
};

/// A write in flight. Dropped before its response, it may or may not have changed the resource.
#[derive(Debug)]
pub(super) struct Write {
    shared: Arc<Shared>,
    /// If the path, as it is written, is one whose responses are stored.
    endpoint: Option<Arc<CachedEndpoint>>,
    resource: Tag,
    has_ended: bool,
}

// === impl Write ===

impl Write {
    /// `None` unless the request may change a resource. Its path may be written otherwise than in the requests whose responses are
    /// stored, and is a resource's all the same.
    pub(super) fn new<B>(shared: &Arc<Shared>, request: &Request<B>) -> Option<Self> {
        if request.method().is_safe() && !overrides_method(request.headers()) {
            return None;
        }
        let uri = request.uri();
        let endpoint = shared.endpoints.get(&Method::GET, uri.path()).config().clone();
        let resource = shared.store.hash_key.resource(uri, Some(request.headers()));
        Some(Self { shared: Arc::clone(shared), endpoint, resource, has_ended: false })
    }

    pub(super) fn end<B>(mut self, result: &Result<Response<B>, BoxError>) {
        self.has_ended = true;
        let failure = match result {
            Ok(response) => {
                let (status, headers) = (response.status(), response.headers());
                self.shared.failure(status, headers, response.extensions())
            }
            // An error of unknown class may have come after the write.
            Err(error) => Classification::of_error(error.as_ref())
                .or_else(|| Some(Classification::of_class(ErrorClass::Interrupted))),
        };
        match failure.map(|failure| failure.class()) {
            None => {
                self.shared.store.generations.invalidate(self.resource);
                if let Some(endpoint) = &self.endpoint {
                    events::written(endpoint);
                }
            }
            Some(class) if may_have_written(class) => self.suspect(),
            Some(_) => {}
        }
    }

    fn suspect(&self) {
        self.shared.store.generations.suspect(self.resource);
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        if !self.has_ended {
            self.suspect();
        }
    }
}

const fn may_have_written(class: ErrorClass) -> bool {
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
