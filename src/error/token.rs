//! A request that was not sent because no token could be had for it.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use http::StatusCode;

use crate::{
    classify::{Classification, ErrorClass},
    error::{BoxError, TokenErrorKind, find},
    headers::{RateLimit, Window},
};

/// No token could be had.
///
/// It is made once for each failing fetch and shared by all who waited for it, so a clone is cheap. A source of your own
/// makes one to say how it failed, which decides how long it is left alone; any other error of a source is classed as a
/// client's errors are.
///
/// `Display` and `Debug` show the kind of failure, the status, the OAuth `error` code and the wait, and nothing else that
/// the issuer sent.
///
/// ```
/// use std::time::Duration;
/// use http::StatusCode;
/// use tower_heed::{error::TokenErrorKind, token_cache::TokenError};
///
/// let error = TokenError::new(TokenErrorKind::RateLimited)
///     .with_status(StatusCode::TOO_MANY_REQUESTS)
///     .with_retry_after(Duration::from_secs(30));
/// assert_eq!(error.to_string(), "no token: the issuer refused because of a limit (429), not asked again for 30s");
/// ```
#[derive(Clone)]
pub struct TokenError {
    kind: TokenErrorKind,
    status: Option<StatusCode>,
    code: Option<Arc<str>>,
    description: Option<Arc<str>>,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn Error + Send + Sync>>,
    outdated: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
}

// === impl TokenError ===

impl TokenError {
    /// An error that knows nothing but the kind of failure.
    #[must_use]
    pub const fn new(kind: TokenErrorKind) -> Self {
        Self {
            kind,
            status: None,
            code: None,
            description: None,
            retry_after: None,
            source: None,
            outdated: None,
        }
    }

    /// What an error of a source or of its client says: the `TokenError` in it, if there is one, else its class, and the status
    /// and the wait if it is an [failing response](crate::ErrorKind::Response), with the error below.
    #[must_use]
    pub fn of_source(error: impl Into<BoxError>) -> Self {
        let error = error.into();
        if let Some(own) = find::<Self>(error.as_ref()) {
            return own.clone();
        }
        let unknown = Self::new(TokenErrorKind::Unavailable);
        Classification::of_error(error.as_ref())
            .map_or(unknown, |found| Self::of_classification(&found))
            .with_source(error)
    }

    /// What the meaning of an issuer's answer, or of an error that holds one, is for a token.
    pub(crate) fn of_classification(found: &Classification) -> Self {
        let wait = told(found);
        let kind = match found.class() {
            // An issuer that says when to come back is to be heeded, whatever its status.
            ErrorClass::Unavailable if wait.is_some() => TokenErrorKind::RateLimited,
            class => TokenErrorKind::of_class(class),
        };
        Self { status: found.status(), retry_after: wait, ..Self::new(kind) }
    }

    /// The status that the issuer answered with.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status: Some(status), ..self }
    }

    /// The issuer's OAuth `error` code. It is shown by `Display`.
    #[must_use]
    pub fn with_code(self, code: &str) -> Self {
        Self { code: Some(code.into()), ..self }
    }

    /// The issuer's own explanation. It is shown by nothing but [`description`](Self::description).
    #[must_use]
    pub fn with_description(self, description: &str) -> Self {
        Self { description: Some(description.into()), ..self }
    }

    /// How long the issuer said to wait.
    #[must_use]
    pub fn with_retry_after(self, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..self }
    }

    /// The error below this one.
    #[must_use]
    pub fn with_source(self, source: impl Into<BoxError>) -> Self {
        Self { source: Some(source.into().into()), ..self }
    }

    /// The error no longer counts once `outdated` gives true: the source is then asked again at once and not at the end of the
    /// wait. For a rejection of credentials that have been replaced since.
    ///
    /// It is asked by each request that needs a token during the wait: it must be quick, and neither block nor panic.
    #[must_use]
    pub fn outdated_when(self, outdated: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { outdated: Some(Arc::new(outdated)), ..self }
    }

    /// Whether it no longer counts.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        self.outdated.as_ref().is_some_and(|outdated| outdated())
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> TokenErrorKind {
        self.kind
    }

    /// The status that the issuer answered with; none if it did not answer.
    #[must_use]
    pub const fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// The OAuth `error` code ([RFC 6749 §5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)), for example
    /// `invalid_client`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The issuer's own explanation, cleaned of control characters and cut. It comes from outside: think before logging it.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// How long from now on no token is asked for, and every request that needs one fails at once; none if the next
    /// request asks again.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// The wait that an issuer asks for.
///
/// `Retry-After` comes first: Auth0's `X-RateLimit-Reset` may be that of another bucket than the one that refused
/// (<https://auth0.com/docs/troubleshoot/customer-support/operational-policies/rate-limit-policy/custom-rate-limit-policies>).
/// Then the reset of a limit that is spent, unless it is over, and then that of Auth0's quotas, which are sent with every answer
/// (<https://auth0.com/docs/fine-grained-m2m-token-quotas>).
fn told(found: &Classification) -> Option<Duration> {
    let limit = found.rate_limit();
    let explicit = limit.and_then(RateLimit::retry_after);
    let reset = || {
        let spent = limit?.windows().iter().filter(|window| window.is_spent());
        let limits = spent.filter(|window| !window.family().ends_with("-quota-limit"));
        limits.filter_map(Window::reset).max().filter(|reset| !reset.is_zero())
    };
    explicit.or_else(reset).or(found.retry_after())
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            TokenErrorKind::RateLimited => "no token: the issuer refused because of a limit",
            TokenErrorKind::Unavailable => "no token: the issuer could not be reached or failed",
            TokenErrorKind::Timeout => "no token: none came in time",
            TokenErrorKind::Rejected => "no token: the issuer rejected the request for one",
            TokenErrorKind::Malformed => {
                "no token: the issuer's answer holds none that can be used"
            }
        })?;
        match (self.status, &self.code) {
            (Some(status), Some(code)) => write!(f, " ({}, {code})", status.as_u16())?,
            (Some(status), None) => write!(f, " ({})", status.as_u16())?,
            (None, Some(code)) => write!(f, " ({code})")?,
            (None, None) => {}
        }
        match self.retry_after {
            Some(wait) => write!(f, ", not asked again for {wait:?}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the description nor the source: both may repeat what was sent.
        f.debug_struct("TokenError")
            .field("kind", &self.kind)
            .field("status", &self.status)
            .field("code", &self.code)
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}

impl Error for TokenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
