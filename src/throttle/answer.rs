//! What the end of a send says about the quota.

use std::error::Error;

use http::{HeaderMap, Response, StatusCode};

use super::layer::Rules;
use crate::{
    error::find,
    policy::{Classification, ErrorClass, errors::ClassifiedError, quota::Answer},
    wire::RateLimit,
};

/// How a send ended.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "it lives for one step, and a box would cost each call an allocation"
)]
pub(super) enum End {
    Answer(Answer),
    /// It never left, so the server cannot have counted it.
    Unsent,
    /// Nobody knows whether the server counted it.
    Lost,
}

/// What an answer says about the quota.
pub(super) fn read<B>(rules: &Rules, response: &Response<B>) -> Answer {
    let headers = response.headers();
    match response.extensions().get::<Classification>() {
        Some(found) => of_failure(rules, found, headers),
        None => of_head(rules, response.status(), headers),
    }
}

/// The same of an error: it may be an answer of which a layer inside has made one.
pub(super) fn read_error(rules: &Rules, error: &(dyn Error + 'static)) -> End {
    if let Some(error) = find::<ClassifiedError>(error) {
        return End::Answer(of_failure(rules, error.classification(), error.headers()));
    }
    match Classification::of_error(error).map(|found| found.class()) {
        Some(ErrorClass::Connect | ErrorClass::TokenUnavailable | ErrorClass::Throttled) => {
            End::Unsent
        }
        _ => End::Lost,
    }
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
