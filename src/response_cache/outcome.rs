//! How a flight ended.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response, header::SET_COOKIE, response::Parts};

use super::{CacheBody, FetchFailed, key::Secret, variant::Variant};
use crate::classify::ErrorClass;

/// How a flight ended, as it is told to all who wait for it.
#[derive(Clone)]
pub(super) enum Outcome {
    /// A response that all who waited can have.
    Answered(Arc<Answer>),
    /// A response that is for one alone. Its class, if it is a failure.
    Passed(Option<ErrorClass>),
    /// No response, and the class of the error.
    Failed(FetchFailed, Option<ErrorClass>),
    /// It has no end: the runtime that carried it is gone, or nobody drives it.
    Abandoned,
}

/// A response as it came.
pub(super) struct Answer {
    pub(super) head: Parts,
    pub(super) body: Bytes,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) variant: Variant,
    /// Its class, if it is a failure.
    pub(super) failure: Option<ErrorClass>,
}

// === impl Outcome ===

impl Outcome {
    /// Its class, if it is a failure.
    pub(super) fn failure(&self) -> Option<ErrorClass> {
        match self {
            Self::Answered(answer) => answer.failure,
            Self::Passed(failure) | Self::Failed(_, failure) => *failure,
            Self::Abandoned => Some(ErrorClass::Interrupted),
        }
    }
}

// === impl Answer ===

impl Answer {
    /// Whether it is for a request with these headers as well.
    pub(super) fn is_for(&self, secret: &Secret, headers: &HeaderMap) -> bool {
        self.variant.is_of(secret, headers)
    }

    /// It as the response of one that waited for it. A cookie is for the one who asked.
    pub(super) fn respond<B>(&self, is_leader: bool) -> Response<CacheBody<B>> {
        let mut head = self.head.clone();
        if !is_leader {
            head.headers.remove(SET_COOKIE);
        }
        Response::from_parts(head, CacheBody::kept(self.body.clone(), self.trailers.clone()))
    }
}
