//! What the outcome of an attempt says about the quota.

use std::error::Error;

use http::{HeaderMap, Response, StatusCode};

use super::{layer::Shared, limiter::Observation};
use crate::{
    classify::{Classification, ErrorClass},
    error::failing_response,
    headers::{Bucket, RateLimit},
};

/// The outcome of an attempt.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "it lives for one step, and a box would cost each call an allocation"
)]
pub(super) enum AttemptOutcome<'a> {
    /// A success without rate-limit headers: most responses.
    Accepted,
    /// What the response says, and of which bucket.
    Response(Observation, Option<Bucket<'a>>),
    /// The request never left, so the server cannot have counted it.
    Unsent,
    /// It is unknown whether the server counted the request.
    Lost,
}

// === impl AttemptOutcome ===

impl<'a> AttemptOutcome<'a> {
    #[inline]
    pub(super) fn of_response<B>(shared: &Shared, response: &'a Response<B>) -> Self {
        let headers = response.headers();
        match response.extensions().get::<Classification>() {
            Some(found) => Self::of_failure(shared, found, headers),
            None => Self::of_head(shared, response.status(), headers),
        }
    }

    /// The error may be a response that a layer inside has made an error of.
    pub(super) fn of_error(shared: &Shared, error: &'a (dyn Error + 'static)) -> Self {
        if let Some((failure, response)) = failing_response(error) {
            return Self::of_failure(shared, failure, response.headers());
        }
        match Classification::of_error(error).map(|found| found.class()) {
            Some(ErrorClass::Connect | ErrorClass::TokenUnavailable | ErrorClass::Throttled) => {
                Self::Unsent
            }
            _ => Self::Lost,
        }
    }

    pub(super) const fn is_rate_limited(&self) -> bool {
        matches!(self, Self::Response(seen, _) if seen.rate_limited)
    }

    /// Whether the response may show a limit that was not known.
    pub(super) const fn may_show_limit(&self) -> bool {
        matches!(self, Self::Response(seen, _) if seen.rate_limited || seen.readings[0].is_some())
    }

    fn of_head(shared: &Shared, status: StatusCode, headers: &'a HeaderMap) -> Self {
        let now = || shared.clock.system_time();
        let classifier = &*shared.classifier;
        if let Some(failure) = Classification::of_response_when(classifier, status, headers, &now) {
            return Self::of_failure(shared, &failure, headers);
        }
        // The date of a response without counters is not worth reading.
        match RateLimit::from_headers_when(headers, now) {
            Some(limit) => {
                Self::of_bucket(Observation::new(false, headers, Some(&limit), now()), headers)
            }
            None => Self::Accepted,
        }
    }

    fn of_failure(shared: &Shared, failure: &Classification, headers: &'a HeaderMap) -> Self {
        let is_rate_limited = failure.class() == ErrorClass::RateLimited;
        let now = shared.clock.system_time();
        let seen = Observation::new(is_rate_limited, headers, failure.rate_limit(), now);
        Self::of_bucket(seen, headers)
    }

    /// A response that says nothing of a limit says nothing of a bucket.
    fn of_bucket(seen: Observation, headers: &'a HeaderMap) -> Self {
        let names_limit = seen.rate_limited || seen.readings[0].is_some();
        Self::Response(seen, if names_limit { Bucket::from_headers(headers) } else { None })
    }
}
