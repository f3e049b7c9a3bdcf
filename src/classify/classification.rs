//! What a response or an error means, with how long the server asked to wait.

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, StatusCode};

use super::{
    Classifier, ErrorClass, ResponseHead,
    transport::{self, Resend},
};
use crate::{
    error::{self, TokenError, as_a, chain},
    headers::{Outcome, RateLimit},
};

/// What a failing response or an error means.
///
/// [`ErrorClassifyLayer`](crate::ErrorClassifyLayer) leaves it in the extensions of each failing response. A layer that finds
/// none there classifies the response itself.
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
/// let found = Classification::of_response(&Preset::Standard, status, &headers, SystemTime::UNIX_EPOCH).unwrap();
/// assert_eq!(found.class(), ErrorClass::RateLimited);
/// assert_eq!(found.retry_after(), Some(Duration::from_secs(30)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classification {
    class: ErrorClass,
    cause: Option<ErrorClass>,
    status: Option<StatusCode>,
    rate_limit: Option<RateLimit>,
    retry_after: Option<Duration>,
    resend: Resend,
    rejects_token: bool,
}

// === impl Classification ===

impl Classification {
    /// Classifies a response; `None` for a success. `now` is the client's wall time.
    #[must_use]
    pub fn of_response(
        classifier: &(impl Classifier + ?Sized),
        status: StatusCode,
        headers: &HeaderMap,
        now: SystemTime,
    ) -> Option<Self> {
        Self::of_response_when(classifier, status, headers, &|| now)
    }

    /// Like [`of_response`](Self::of_response), with a clock that is read only if the headers need it.
    #[inline]
    pub(crate) fn of_response_when(
        classifier: &(impl Classifier + ?Sized),
        status: StatusCode,
        headers: &HeaderMap,
        now: &dyn Fn() -> SystemTime,
    ) -> Option<Self> {
        let head = ResponseHead::new(status, headers, now);
        let class = classifier.classify(&head)?;
        Some(Self::of_failure(class, head))
    }

    #[cold]
    fn of_failure(mut class: ErrorClass, head: ResponseHead<'_>) -> Self {
        let status = head.status();
        if status == StatusCode::TOO_MANY_REQUESTS && class == ErrorClass::Unauthenticated {
            class = ErrorClass::RateLimited;
        }
        let resend = if forbids_retry(head.headers()) { Resend::Never } else { Resend::Later };
        let rate_limit = head.into_rate_limit();
        let retry_after = rate_limit.as_ref().and_then(|limit| limit.wait(outcome(class)));
        Self { status: Some(status), rate_limit, retry_after, resend, ..Self::of_class(class) }
    }

    /// Classifies an error; `None` if its class is unknown, or if the caller's own request failed: its body broke off, or the client
    /// does not accept it. For a [`BoxError`](crate::BoxError) pass `&*error`, what is in the box.
    #[must_use]
    pub fn of_error(error: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(depth) = chain(error).position(is_callers_own) {
            return chain(error).take(depth).find_map(own);
        }
        chain(error).find_map(|link| own(link).or_else(|| Self::of_transport(link))).or_else(|| {
            let broke = chain(error).any(transport::is_transport);
            broke.then_some(Self::of_class(ErrorClass::Interrupted))
        })
    }

    fn of_transport(error: &(dyn Error + 'static)) -> Option<Self> {
        let found = transport::verdict(error)?;
        Some(Self { resend: found.resend, ..Self::of_class(found.class) })
    }

    /// A classification with a class and nothing else.
    #[must_use]
    pub const fn of_class(class: ErrorClass) -> Self {
        Self {
            class,
            cause: None,
            status: None,
            rate_limit: None,
            retry_after: None,
            resend: Resend::Later,
            rejects_token: false,
        }
    }

    /// That of a request that was not sent, because those before it failed as `cause` says.
    pub(crate) fn of_open_circuit(cause: ErrorClass, retry_after: Duration) -> Self {
        let throttled = Self::of_class(ErrorClass::Throttled);
        Self { cause: Some(cause), retry_after: Some(retry_after), ..throttled }
    }

    /// Sets how long to wait, as a body says. A [`Classifier`] returns it from
    /// [`classify_body`](Classifier::classify_body).
    #[must_use]
    pub fn with_retry_after(self, retry_after: impl Into<Option<Duration>>) -> Self {
        Self { retry_after: retry_after.into(), ..self }
    }

    /// Marks a failure that rejects the token which the request carried: [`TokenCacheLayer`](crate::TokenCacheLayer) does as after a
    /// 401.
    #[must_use]
    pub fn rejecting_token(self) -> Self {
        Self { rejects_token: true, ..self }
    }

    /// Whether the token that the request carried was rejected, as the body says.
    pub(crate) const fn rejects_token(&self) -> bool {
        self.rejects_token
    }

    /// What a body says, together with what the head says.
    pub(super) fn of_body(
        found: &Self,
        head: &ResponseHead<'_>,
        now: &dyn Fn() -> SystemTime,
    ) -> Self {
        let mut headers = head.headers().clone();
        if let Some(wait) = found.retry_after {
            // A body's wait is read as the header field would be that has precedence over all others.
            let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            // Where there is no room for another field, the response has to do without.
            drop(headers.try_insert("retry-after-ms", millis.into()));
        }
        let head = ResponseHead::new(head.status(), &headers, now);
        let failure = Self::of_failure(found.class, head);
        // A rate limit says nothing about the token, whatever the body says.
        let rejects_token = found.rejects_token && failure.class != ErrorClass::RateLimited;
        Self { rejects_token, ..failure }
    }

    /// The upstream's failure behind a response that a fallback made.
    pub(crate) fn of_degraded(mark: crate::extensions::Degraded) -> Self {
        Self { retry_after: mark.retry_after(), ..Self::of_class(mark.class()) }
    }

    /// The class.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        self.class
    }

    /// The cause of [`TokenUnavailable`](ErrorClass::TokenUnavailable): the class of the token endpoint's failure. That of
    /// [`Throttled`](ErrorClass::Throttled) by an open circuit, or because the server fails everything: the class of its last failure.
    #[must_use]
    pub const fn cause(&self) -> Option<ErrorClass> {
        self.cause
    }

    /// The outcome to give to [`RateLimit::wait`] and [`RateLimit::decided_by`].
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        outcome(self.class)
    }

    /// The status code; `None` for an error without a response.
    #[must_use]
    pub const fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// What the headers say about a rate limit.
    #[must_use]
    pub const fn rate_limit(&self) -> Option<&RateLimit> {
        self.rate_limit.as_ref()
    }

    /// Whether the server asks for fewer requests, in whichever way: by a rate limit, or by a 503 or 529 with `Retry-After`, or gRPC's
    /// equivalent, which comes in a 200.
    pub(crate) fn asks_to_slow_down(&self) -> bool {
        match self.class {
            ErrorClass::RateLimited => true,
            ErrorClass::Unavailable => {
                let limit = self.rate_limit.as_ref();
                self.status.is_some_and(is_overload)
                    && limit.is_some_and(|limit| limit.retry_after().is_some())
            }
            _ => false,
        }
    }

    /// When the request may be sent once more, as far as the error tells.
    pub(crate) const fn resend(&self) -> Resend {
        self.resend
    }

    /// The time that a retry has to wait. Unlike [`retry_after`](Self::retry_after) it leaves out resets that are estimates.
    pub(crate) fn pause(&self) -> Option<Duration> {
        match &self.rate_limit {
            Some(limit) => limit.pause(self.outcome()),
            None => self.retry_after,
        }
    }

    /// How long to wait before the next request, counted from the moment the head was read; `None` if the server did not say.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

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

/// 503 Service Unavailable, and 529 as its more specific form: the request was not carried out. gRPC's `UNAVAILABLE` has the status 200.
fn is_overload(status: StatusCode) -> bool {
    matches!(status.as_u16(), 503 | 529 | 200)
}

/// Whether a gRPC server forbids to retry, by a pushback that is negative or no number:
/// <https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback>
fn forbids_retry(headers: &HeaderMap) -> bool {
    let pushback = headers.get("grpc-retry-pushback-ms");
    pushback.is_some_and(|value| !value.as_bytes().iter().all(u8::is_ascii_digit))
}

/// Whether the caller's own request failed. A layer that reads its body says so itself, since the error of the body may be one that
/// a server's connection has too.
fn is_callers_own(error: &(dyn Error + 'static)) -> bool {
    as_a::<error::Error>(error).is_some_and(error::Error::is_callers_own)
        || transport::is_callers_own(error)
}

/// Classifies an error that this crate made.
fn own(error: &(dyn Error + 'static)) -> Option<Classification> {
    if let Some(error) = as_a::<error::Error>(error) {
        return error.classification().cloned();
    }
    let error = as_a::<TokenError>(error)?;
    Some(Classification {
        cause: Some(if error.is_final() {
            ErrorClass::Unauthenticated
        } else {
            error.kind().class()
        }),
        status: error.status(),
        retry_after: error.retry_after(),
        ..Classification::of_class(ErrorClass::TokenUnavailable)
    })
}
