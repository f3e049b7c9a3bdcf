//! What an answer says about the quota.

use std::error::Error;

use http::{HeaderMap, Response, StatusCode};

use super::layer::Rules;
use crate::{
    error::find,
    policy::{Classification, ErrorClass, errors::ClassifiedError, quota::Answer},
    wire::RateLimit,
};

/// What an answer says about the quota.
pub(super) fn read<B>(rules: &Rules, response: &Response<B>) -> Answer {
    let headers = response.headers();
    match response.extensions().get::<Classification>() {
        Some(found) => of_failure(rules, found, headers),
        None => of_head(rules, response.status(), headers),
    }
}

/// The same of an answer that a layer inside has made an error of; none for an error without an answer.
pub(super) fn read_error(rules: &Rules, error: &(dyn Error + 'static)) -> Option<Answer> {
    let error = find::<ClassifiedError>(error)?;
    Some(of_failure(rules, error.classification(), error.headers()))
}

fn of_head(rules: &Rules, status: StatusCode, headers: &HeaderMap) -> Answer {
    let now = || rules.clock.system_time();
    if let Some(failure) = Classification::of_answer_when(&*rules.classifier, status, headers, &now)
    {
        return of_failure(rules, &failure, headers);
    }
    let now = now();
    match RateLimit::from_headers(headers, now) {
        Some(limit) => Answer::new(false, headers, Some(&limit), now),
        // The date of an answer that counts nothing is not worth the reading.
        None => Answer::default(),
    }
}

fn of_failure(rules: &Rules, failure: &Classification, headers: &HeaderMap) -> Answer {
    let is_refused = failure.class() == ErrorClass::RateLimited;
    Answer::new(is_refused, headers, failure.rate_limit(), rules.clock.system_time())
}
