//! What the end of a send says about the quota.

use std::error::Error;

use http::{HeaderMap, Response, StatusCode};

use super::layer::Rules;
use crate::{
    error::find,
    policy::{Classification, ErrorClass, errors::ClassifiedError, quota::Answer},
    wire::{Bucket, RateLimit},
};

/// How a send ended.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "it lives for one step, and a box would cost each call an allocation"
)]
pub(super) enum End<'a> {
    /// What the answer says, and of which bucket.
    Answer(Answer, Option<Bucket<'a>>),
    /// It never left, so the server cannot have counted it.
    Unsent,
    /// Nobody knows whether the server counted it.
    Lost,
}

/// What an answer says about the quota.
pub(super) fn read<'a, B>(rules: &Rules, response: &'a Response<B>) -> End<'a> {
    let headers = response.headers();
    let answer = match response.extensions().get::<Classification>() {
        Some(found) => of_failure(rules, found, headers),
        None => of_head(rules, response.status(), headers),
    };
    of_bucket(answer, headers)
}

/// The same of an error: it may be an answer of which a layer inside has made one.
pub(super) fn read_error<'a>(rules: &Rules, error: &'a (dyn Error + 'static)) -> End<'a> {
    if let Some(error) = find::<ClassifiedError>(error) {
        let answer = of_failure(rules, error.classification(), error.headers());
        return of_bucket(answer, error.headers());
    }
    match Classification::of_error(error).map(|found| found.class()) {
        Some(ErrorClass::Connect | ErrorClass::TokenUnavailable | ErrorClass::Throttled) => {
            End::Unsent
        }
        _ => End::Lost,
    }
}

/// An answer that says nothing of a limit says nothing of a bucket.
fn of_bucket(answer: Answer, headers: &HeaderMap) -> End<'_> {
    let says = answer.refused || answer.readings[0].is_some();
    End::Answer(answer, if says { Bucket::from_headers(headers) } else { None })
}

fn of_head(rules: &Rules, status: StatusCode, headers: &HeaderMap) -> Answer {
    let now = || rules.clock.system_time();
    if let Some(failure) = Classification::of_answer_when(&*rules.classifier, status, headers, &now)
    {
        return of_failure(rules, &failure, headers);
    }
    match RateLimit::from_headers_when(headers, now) {
        Some(limit) => Answer::new(false, headers, Some(&limit), now()),
        // The date of an answer that counts nothing is not worth the reading.
        None => Answer::default(),
    }
}

fn of_failure(rules: &Rules, failure: &Classification, headers: &HeaderMap) -> Answer {
    let is_refused = failure.class() == ErrorClass::RateLimited;
    Answer::new(is_refused, headers, failure.rate_limit(), rules.clock.system_time())
}
