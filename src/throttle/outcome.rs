//! What the end of a send says about the quota.

use std::error::Error;

use http::{HeaderMap, Response, StatusCode};

use super::layer::Rules;
use crate::{
    classify::{Classification, ErrorClass},
    error::failing_response,
    headers::{Bucket, RateLimit},
    throttle::limiter::Answer,
};

/// How a send ended.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "it lives for one step, and a box would cost each call an allocation"
)]
pub(super) enum End<'a> {
    /// It was accepted, and nothing was said of a limit: most answers.
    Silent,
    /// What the answer says, and of which bucket.
    Answer(Answer, Option<Bucket<'a>>),
    /// It never left, so the server cannot have counted it.
    Unsent,
    /// Nobody knows whether the server counted it.
    Lost,
}

// === impl End ===

impl<'a> End<'a> {
    #[inline]
    pub(super) fn of_answer<B>(rules: &Rules, response: &'a Response<B>) -> Self {
        let headers = response.headers();
        match response.extensions().get::<Classification>() {
            Some(found) => Self::of_bucket(of_failure(rules, found, headers), headers),
            None => Self::of_head(rules, response.status(), headers),
        }
    }

    /// The error may be an answer of which a layer inside has made one.
    pub(super) fn of_error(rules: &Rules, error: &'a (dyn Error + 'static)) -> Self {
        if let Some((failure, response)) = failing_response(error) {
            let answer = of_failure(rules, failure, response.headers());
            return Self::of_bucket(answer, response.headers());
        }
        match Classification::of_error(error).map(|found| found.class()) {
            Some(ErrorClass::Connect | ErrorClass::TokenUnavailable | ErrorClass::Throttled) => {
                Self::Unsent
            }
            _ => Self::Lost,
        }
    }

    fn of_head(rules: &Rules, status: StatusCode, headers: &'a HeaderMap) -> Self {
        let now = || rules.clock.system_time();
        let classifier = &*rules.classifier;
        if let Some(failure) = Classification::of_response_when(classifier, status, headers, &now) {
            return Self::of_bucket(of_failure(rules, &failure, headers), headers);
        }
        // The date of an answer that counts nothing is not worth the reading.
        match RateLimit::from_headers_when(headers, now) {
            Some(limit) => {
                Self::of_bucket(Answer::new(false, headers, Some(&limit), now()), headers)
            }
            None => Self::Silent,
        }
    }

    /// An answer that says nothing of a limit says nothing of a bucket.
    fn of_bucket(answer: Answer, headers: &'a HeaderMap) -> Self {
        let says = answer.refused || answer.readings[0].is_some();
        Self::Answer(answer, if says { Bucket::from_headers(headers) } else { None })
    }
}

fn of_failure(rules: &Rules, failure: &Classification, headers: &HeaderMap) -> Answer {
    let is_refused = failure.class() == ErrorClass::RateLimited;
    Answer::new(is_refused, headers, failure.rate_limit(), rules.clock.system_time())
}
