//! Classifiers: the standard one, the providers', and a user's own.

use std::{cell::OnceCell, fmt, time::SystemTime};

use http::{HeaderMap, StatusCode};

use super::ErrorClass;
use crate::headers::{RateLimit, is_aws_throttling};

/// The head of a response, as a [`Classifier`] sees it.
pub struct ResponseHead<'a> {
    status: StatusCode,
    headers: &'a HeaderMap,
    now: &'a dyn Fn() -> SystemTime,
    rate_limit: OnceCell<Option<RateLimit>>,
}

/// Tells what a response means.
///
/// Your own classifier handles the responses it knows and leaves the rest to a [`Preset`]:
///
/// ```
/// use http::StatusCode;
/// use tower_heed::classify::{Classifier, ErrorClass, Preset, ResponseHead};
///
/// /// A gateway that responds 418 while it starts.
/// struct OurGateway;
///
/// impl Classifier for OurGateway {
///     fn classify(&self, head: &ResponseHead<'_>) -> Option<ErrorClass> {
///         match head.status() {
///             StatusCode::IM_A_TEAPOT => Some(ErrorClass::Unavailable),
///             _ => Preset::Standard.classify(head),
///         }
///     }
/// }
/// ```
///
/// A closure is a classifier too: `|head: &ResponseHead<'_>| ..`.
///
/// A 429 that a classifier calls an authentication failure stays [`RateLimited`](ErrorClass::RateLimited):
/// [`Classification`](super::Classification) overrides it.
pub trait Classifier: Send + Sync + 'static {
    /// The class of the response; `None` for a success.
    fn classify(&self, head: &ResponseHead<'_>) -> Option<ErrorClass>;
}

/// The classifiers that come with the crate.
///
/// All follow the status codes of RFC 9110 and RFC 6585, and differ where the providers do:
///
/// | preset | 403 | 422 |
/// |---|---|---|
/// | `Standard`, `GitHub` | a rate limit if the response says so, by an exhausted quota or `Retry-After` | `Rejected` |
/// | `Auth0`, `Okta` | `Forbidden`: their rate limits are always 429 | `Rejected` |
/// | `Clerk` | `Forbidden` | `Unauthenticated` |
///
/// For 422 `Clerk` does as Clerk's [front-end SDK](https://github.com/clerk/javascript/pull/8649). An endpoint that takes
/// forms responds 422 to an invalid form, which does not sign anyone out: give that endpoint `Standard`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Preset {
    /// The standards, and AWS's throttling codes.
    #[default]
    Standard,
    /// [Auth0](https://auth0.com/docs/troubleshoot/customer-support/operational-policies/rate-limit-policy).
    Auth0,
    /// [Clerk](https://clerk.com/docs/guides/how-clerk-works/system-limits).
    Clerk,
    /// [Okta](https://developer.okta.com/docs/reference/rl-best-practices/).
    Okta,
    /// [GitHub](https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api).
    GitHub,
}

// === impl ResponseHead ===

impl<'a> ResponseHead<'a> {
    /// `now` reads the client's wall time. It is called at most once, if the headers have to be read.
    pub(crate) const fn new(
        status: StatusCode,
        headers: &'a HeaderMap,
        now: &'a dyn Fn() -> SystemTime,
    ) -> Self {
        Self { status, headers, now, rate_limit: OnceCell::new() }
    }

    /// The status code.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The header fields.
    #[must_use]
    pub const fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// What the headers say about a rate limit. They are read at the first call, so look at the status first.
    #[must_use]
    pub fn rate_limit(&self) -> Option<&RateLimit> {
        self.rate_limit.get_or_init(|| self.read_rate_limit()).as_ref()
    }

    pub(super) fn into_rate_limit(mut self) -> Option<RateLimit> {
        self.rate_limit.take().unwrap_or_else(|| self.read_rate_limit())
    }

    fn read_rate_limit(&self) -> Option<RateLimit> {
        RateLimit::from_headers_when(self.headers, self.now)
    }
}

impl fmt::Debug for ResponseHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHead")
            .field("status", &self.status)
            .field("rate_limit", &self.rate_limit())
            .finish_non_exhaustive()
    }
}

// === impl Classifier ===

impl<C> Classifier for C
where
    C: Fn(&ResponseHead<'_>) -> Option<ErrorClass> + Send + Sync + 'static,
{
    fn classify(&self, head: &ResponseHead<'_>) -> Option<ErrorClass> {
        self(head)
    }
}

// === impl Preset ===

impl Classifier for Preset {
    fn classify(&self, head: &ResponseHead<'_>) -> Option<ErrorClass> {
        let forbidden_may_be_a_limit = matches!(self, Self::Standard | Self::GitHub);
        let names_a_limit = || head.rate_limit().is_some_and(RateLimit::marks_rate_limit);
        Some(match head.status.as_u16() {
            ..=399 => return None,
            400.. if is_aws_throttling(head.headers) => ErrorClass::RateLimited,
            429 | 420 => ErrorClass::RateLimited,
            401 => ErrorClass::Unauthenticated,
            403 if forbidden_may_be_a_limit && names_a_limit() => ErrorClass::RateLimited,
            403 => ErrorClass::Forbidden,
            408 | 504 => ErrorClass::Timeout,
            422 if *self == Self::Clerk => ErrorClass::Unauthenticated,
            425 | 500.. => ErrorClass::Unavailable,
            _ => ErrorClass::Rejected,
        })
    }
}
