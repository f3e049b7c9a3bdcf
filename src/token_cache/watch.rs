//! What is kept of a request beyond what nearly every one needs: while its token is new or in doubt, or where an endpoint rejects
//! tokens in its own way.

use std::{fmt, sync::Arc};

use http::{Response, StatusCode};

use super::{cache::Cache, cached::Cached};
use crate::{
    BoxError,
    classify::{Classification, ResponseHead},
    headers::BearerChallenge,
};

/// Whether a response of an endpoint rejects the token.
#[derive(Clone)]
pub(super) struct RejectsToken(pub(super) Arc<dyn Fn(&ResponseHead<'_>) -> bool + Send + Sync>);

pub(super) struct Watch {
    pub(super) token: Arc<Cached>,
    /// See [`Cache::endpoint_hash`].
    pub(super) endpoint: u64,
    pub(super) rejects: Option<RejectsToken>,
}

// === impl Watch ===

impl Watch {
    /// Whether the result rejects the token. If it proves that the token is good, that is noted.
    #[cold]
    pub(super) fn rejects<B>(&self, cache: &Cache, result: &Result<Response<B>, BoxError>) -> bool {
        let Ok(response) = result else { return false };
        let rejects = match &self.rejects {
            _ if is_rejected_by_body(response) => true,
            Some(RejectsToken(rejects)) => {
                let now = || cache.settings().clock.system_time();
                rejects(&ResponseHead::new(response.status(), response.headers(), &now))
            }
            None => rejects_token(response),
        };
        if !rejects && response.status().is_success() {
            let charges = cache.charges();
            self.token.proven(self.endpoint, charges.has_any());
            charges.accepted(self.endpoint, cache.slot().hash());
        }
        rejects
    }
}

/// Whether a response says that the token it was sent with was not accepted: the status counts, unless a challenge says that
/// another token of the same kind would not help. That a challenge is for another scheme says nothing: many servers name only their
/// first.
pub(super) fn rejects_token<B>(response: &Response<B>) -> bool {
    let is_by_head = response.status() == StatusCode::UNAUTHORIZED
        && matches!(
            BearerChallenge::from_headers(response.headers()),
            BearerChallenge::TokenRejected | BearerChallenge::OtherScheme
        );
    is_by_head || is_rejected_by_body(response)
}

/// Whether a layer inside has read in the body that the token was not accepted.
#[inline]
pub(super) fn is_rejected_by_body<B>(response: &Response<B>) -> bool {
    response.extensions().get().is_some_and(Classification::rejects_token)
}

// === impl RejectsToken ===

impl PartialEq for RejectsToken {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for RejectsToken {}

impl fmt::Debug for RejectsToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RejectsToken")
    }
}
