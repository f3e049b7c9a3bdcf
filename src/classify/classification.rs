//! What an answer or an error means, with what the server said about waiting.

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, StatusCode};

use super::{Answer, Classifier, ErrorClass, transport};
use crate::error::{
    ClassifiedError, Elapsed, NotQueued, Obstacle, Throttled, TokenError, UpstreamUnavailable,
};
use crate::{
    error::{as_a, chain},
    headers::{Outcome, RateLimit},
};

/// What a failing answer means, as a layer leaves it in the response's extensions.
///
/// [`ErrorClassifyLayer`](crate::ErrorClassifyLayer) puts it there; a layer that finds none works it out for itself. A
/// successful answer carries none.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use http::{HeaderMap, StatusCode};
/// use tower_heed::classify::{Classification, ErrorClass, Preset};
///
/// let mut headers = HeaderMap::new();
/// headers.insert("retry-after", "30".parse().unwrap());
/// let status = StatusCode::TOO_MANY_REQUESTS;
///
/// let found = Classification::of_answer(&Preset::Standard, status, &headers, SystemTime::UNIX_EPOCH).unwrap();
/// assert_eq!(found.class(), ErrorClass::RateLimited);
/// assert_eq!(found.wait(), Some(Duration::from_secs(30)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classification {
    class: ErrorClass,
    cause: Option<ErrorClass>,
    status: Option<StatusCode>,
    rate_limit: Option<RateLimit>,
    wait: Option<Duration>,
}

// === impl Classification ===

impl Classification {
    /// What an answer with this head means, or none for a success. `now` is the client's wall time.
    #[must_use]
    pub fn of_answer(
        classifier: &(impl Classifier + ?Sized),
        status: StatusCode,
        headers: &HeaderMap,
        now: SystemTime,
    ) -> Option<Self> {
        Self::of_answer_when(classifier, status, headers, &|| now)
    }

    /// As [`of_answer`](Self::of_answer), with a clock that is read only where an answer needs it.
    #[inline]
    pub(crate) fn of_answer_when(
        classifier: &(impl Classifier + ?Sized),
        status: StatusCode,
        headers: &HeaderMap,
        now: &dyn Fn() -> SystemTime,
    ) -> Option<Self> {
        let answer = Answer::new(status, headers, now);
        let class = classifier.classify(&answer)?;
        Some(Self::of_failure(class, status, answer))
    }

    #[cold]
    fn of_failure(mut class: ErrorClass, status: StatusCode, answer: Answer<'_>) -> Self {
        if status == StatusCode::TOO_MANY_REQUESTS && class == ErrorClass::Unauthenticated {
            class = ErrorClass::RateLimited;
        }
        let rate_limit = answer.into_rate_limit();
        let wait = rate_limit.as_ref().and_then(|limit| limit.wait(outcome(class)));
        Self { class, cause: None, status: Some(status), rate_limit, wait }
    }

    /// What an error means. None for one that this crate does not know: nothing may be concluded from it.
    #[must_use]
    pub fn of_error(error: &(dyn Error + 'static)) -> Option<Self> {
        chain(error)
            .find_map(|link| own(link).or_else(|| transport::class(link).map(Self::of_class)))
            .or_else(|| {
                let broke = chain(error).any(transport::is_transport);
                broke.then_some(Self::of_class(ErrorClass::Interrupted))
            })
    }

    /// A classification that knows nothing but the class.
    #[must_use]
    pub const fn of_class(class: ErrorClass) -> Self {
        Self { class, cause: None, status: None, rate_limit: None, wait: None }
    }

    /// The failure that an answer in the upstream's place stands for, as far as its mark tells.
    #[cfg(feature = "response-cache")]
    pub(crate) fn of_degraded(mark: crate::extensions::Degraded) -> Self {
        Self { wait: mark.retry_after(), ..Self::of_class(mark.class()) }
    }

    /// The class.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        self.class
    }

    /// Why, for the classes that have a cause behind them: what the token endpoint's answer meant behind
    /// [`TokenUnavailable`](ErrorClass::TokenUnavailable).
    #[must_use]
    pub const fn cause(&self) -> Option<ErrorClass> {
        self.cause
    }

    /// What kind of answer this is to [`RateLimit::wait`] and [`RateLimit::decided_by`].
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        outcome(self.class)
    }

    /// The status code; none for an error.
    #[must_use]
    pub const fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// What the headers said about a limit.
    #[must_use]
    pub const fn rate_limit(&self) -> Option<&RateLimit> {
        self.rate_limit.as_ref()
    }

    /// The least time before the next request, counted from the moment the head was read; none if nothing was said.
    #[must_use]
    pub const fn wait(&self) -> Option<Duration> {
        self.wait
    }
}

/// What floor 0 needs to know about a failing answer to read its headers.
const fn outcome(class: ErrorClass) -> Outcome {
    match class {
        ErrorClass::RateLimited | ErrorClass::Throttled => Outcome::RateLimited,
        ErrorClass::Unavailable
        | ErrorClass::Timeout
        | ErrorClass::Connect
        | ErrorClass::Interrupted => Outcome::Transient,
        ErrorClass::Unauthenticated
        | ErrorClass::Forbidden
        | ErrorClass::Rejected
        | ErrorClass::TokenUnavailable => Outcome::Rejected,
    }
}

/// The classification of an error that this crate has made.
fn own(error: &(dyn Error + 'static)) -> Option<Classification> {
    if let Some(error) = as_a::<crate::error::Error>(error) {
        return error.classification().cloned();
    }
    if as_a::<Elapsed>(error).is_some() {
        return Some(Classification::of_class(ErrorClass::Timeout));
    }
    if let Some(error) = as_a::<TokenError>(error) {
        return Some(Classification {
            cause: Some(error.kind().class()),
            status: error.status(),
            wait: error.retry_after(),
            ..Classification::of_class(ErrorClass::TokenUnavailable)
        });
    }
    if let Some(error) = as_a::<Throttled>(error) {
        return Some(Classification {
            wait: error.retry_after(),
            ..Classification::of_class(ErrorClass::Throttled)
        });
    }
    if let Some(error) = as_a::<NotQueued>(error) {
        // A full queue gets room; one that is shut down, or has no runtime, is no better for waiting.
        let passes = matches!(error.obstacle(), Obstacle::Full { .. });
        return passes.then(|| Classification::of_class(ErrorClass::Throttled));
    }
    if let Some(error) = as_a::<UpstreamUnavailable>(error) {
        return Some(error.classification().clone());
    }
    as_a::<ClassifiedError>(error).map(|error| error.classification().clone())
}
