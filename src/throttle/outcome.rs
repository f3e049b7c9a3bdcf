//! What the outcome of an attempt says about the quota.

use std::error::Error;

use http::{HeaderMap, Response, StatusCode};

use super::{layer::Shared, limiter::Observation};
use crate::{
    classify::{Classification, ErrorClass},
    error::failing_response,
    headers::Bucket,
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
        let found = Classification::of_error(error);
        if found.as_ref().is_some_and(Classification::asks_to_slow_down) {
            let seen = Observation { rate_limited: true, ..Observation::ACCEPTED };
            return Self::Response(seen, None);
        }
        match found.map(|found| found.class()) {
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
        match Observation::of_success(headers, &now) {
            Some((seen, bucket)) => Self::Response(seen, bucket),
            None => Self::Accepted,
        }
    }

    fn of_failure(shared: &Shared, failure: &Classification, headers: &'a HeaderMap) -> Self {
        let now = shared.clock.system_time();
        let slows = failure.asks_to_slow_down();
        let mut seen = Observation::new(slows, headers, failure.rate_limit(), now);
        // What says that the server has too much to do, or is closed for a time: 503, and 529 of some.
        let is_closed = |status: StatusCode| matches!(status.as_u16(), 503 | 529);
        seen.unavailable = !slows && failure.status().is_some_and(is_closed);
        // GitHub's 403s name their bucket or a wait; any other with an exhausted counter denies the caller.
        let is_unnamed_403 = failure.status() == Some(StatusCode::FORBIDDEN)
            && seen.retry_after.is_none()
            && Bucket::from_headers(headers).is_none();
        if is_unnamed_403 || is_denied(failure.class()) {
            let exhausted = seen.readings.into_iter().flatten().find(|shown| shown.remaining == 0);
            seen.withholds = exhausted.is_some();
            seen.ambiguous = exhausted.filter(|_| seen.rate_limited);
            seen.rate_limited = false;
            // An exhausted counter of a wrong password or a missing right is of one user, more often than not. If it is not, the next
            // response is a rejection that says so.
            let left = seen.readings.into_iter().flatten().filter(|shown| shown.remaining > 0);
            let mut left = left.collect::<Vec<_>>().into_iter();
            seen.readings = std::array::from_fn(|_| left.next());
        }
        // A response that says nothing of a limit says nothing of a bucket.
        let names_limit = seen.rate_limited || seen.readings[0].is_some();
        Self::Response(seen, if names_limit { Bucket::from_headers(headers) } else { None })
    }
}

const fn is_denied(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Unauthenticated | ErrorClass::Forbidden | ErrorClass::Rejected)
}
