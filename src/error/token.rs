//! The error of a token that is not available.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use http::StatusCode;

use crate::{
    classify::{Classification, ErrorClass},
    error::{BoxError, Causes, TokenErrorKind, find},
    headers::{RateLimit, Window},
};

/// No token is available.
///
/// Each failing fetch makes one, which all its waiters share: a clone is cheap. A source returns one to name the
/// [kind](TokenErrorKind) of failure, which decides the cooldown; any other error of a source is classified as a client's errors
/// are.
///
/// `Display` and `Debug` show the kind, the status, the OAuth `error` code, the wait and the causes, and nothing else that the
/// issuer sent.
///
/// ```
/// use std::time::Duration;
/// use tower_heed::error::{TokenError, TokenErrorKind};
///
/// let error = TokenError::new(TokenErrorKind::Unavailable)
///     .with_retry_after(Duration::from_secs(30))
///     .with_source("dns error: no such host");
/// let expected = "no token: cannot reach the token endpoint, retry after 30s: dns error: no such host";
/// assert_eq!(error.to_string(), expected);
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
    is_final: bool,
    is_of_one_key: bool,
}

// === impl TokenError ===

impl TokenError {
    /// An error of this kind, about which nothing else is known.
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
            is_final: false,
            is_of_one_key: false,
        }
    }

    /// The token error of an error of a source or of its client: the `TokenError` in its chain, or else one of its class, with
    /// the status and the wait of a [failing response](crate::ErrorKind::Response).
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

    /// The token error of an issuer's response, or of an error that holds one.
    pub(crate) fn of_classification(found: &Classification) -> Self {
        let retry_after = retry_after(found);
        let kind = match found.class() {
            // An issuer's wait is heeded, whatever the status.
            ErrorClass::Unavailable if retry_after.is_some() => TokenErrorKind::RateLimited,
            class => TokenErrorKind::of_class(class),
        };
        Self { status: found.status(), retry_after, ..Self::new(kind) }
    }

    /// Sets the status of the issuer's response.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status: Some(status), ..self }
    }

    /// Sets the issuer's OAuth `error` code, which `Display` shows.
    #[must_use]
    pub fn with_code(self, code: &str) -> Self {
        Self { code: Some(code.into()), ..self }
    }

    /// Sets the issuer's explanation, which only [`description`](Self::description) shows.
    #[must_use]
    pub fn with_description(self, description: &str) -> Self {
        Self { description: Some(description.into()), ..self }
    }

    /// Sets how long to wait, by the issuer's response.
    #[must_use]
    pub fn with_retry_after(self, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..self }
    }

    /// Sets the cause, whose text `Display` shows without the user names, passwords and queries of addresses. It must hold no
    /// other secret.
    #[must_use]
    pub fn with_source(self, source: impl Into<BoxError>) -> Self {
        Self { source: Some(source.into().into()), ..self }
    }

    /// Ends the cooldown as soon as `outdated` returns true: for a rejection of credentials that have been replaced since.
    ///
    /// Each request that needs a token during the cooldown calls it: it must be quick, and neither block nor panic.
    #[must_use]
    pub fn outdated_when(self, outdated: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { outdated: Some(Arc::new(outdated)), ..self }
    }

    /// Whether the failure is [outdated](Self::outdated_when).
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        self.outdated.as_ref().is_some_and(|outdated| outdated())
    }

    /// Marks the failure as final: no later fetch succeeds unless someone signs in anew, as after `invalid_grant` for a refresh
    /// token. Until it is [outdated](Self::outdated_when) the session is signed out.
    #[must_use]
    pub fn into_final(self) -> Self {
        Self { is_final: true, ..self }
    }

    /// Whether the failure is [final](Self::into_final), and not outdated.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.is_final && !self.is_outdated()
    }

    /// Marks the failure as the key's own: it says nothing about the issuer.
    #[cfg(feature = "shared")]
    pub(crate) fn of_one_key(self) -> Self {
        Self { is_of_one_key: true, ..self }
    }

    pub(crate) const fn is_of_one_key(&self) -> bool {
        self.is_of_one_key
    }

    /// The kind of failure.
    #[must_use]
    pub const fn kind(&self) -> TokenErrorKind {
        self.kind
    }

    /// The status of the issuer's response; none if there was none.
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

    /// The issuer's explanation, without control characters, and cut. It comes from outside: think before logging it.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The rest of the cooldown, during which every request that needs a token fails at once; none if the next request
    /// begins a fetch.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// How long the issuer says to wait.
///
/// `Retry-After` comes first: Auth0's `X-RateLimit-Reset` may be for another bucket than the one that is exhausted
/// (<https://auth0.com/docs/troubleshoot/customer-support/operational-policies/rate-limit-policy/custom-rate-limit-policies>).
/// Then the reset of a spent limit, unless it is over, and then the reset of Auth0's quotas, which every response has
/// (<https://auth0.com/docs/fine-grained-m2m-token-quotas>).
fn retry_after(found: &Classification) -> Option<Duration> {
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
        f.write_str(match (self.kind, self.status) {
            (TokenErrorKind::RateLimited, _) => "no token: rate limited by the token endpoint",
            (TokenErrorKind::Unavailable, None) => "no token: cannot reach the token endpoint",
            (TokenErrorKind::Unavailable, Some(_)) => "no token: the token endpoint failed",
            (TokenErrorKind::Timeout, _) => "no token: none arrived in time",
            (TokenErrorKind::Rejected, _) => "no token: the token endpoint rejected the request",
            (TokenErrorKind::Malformed, _) => "no token: the response holds no usable token",
        })?;
        match (self.status, &self.code) {
            (Some(status), Some(code)) => write!(f, " ({}, {code})", status.as_u16())?,
            (Some(status), None) => write!(f, " ({})", status.as_u16())?,
            (None, Some(code)) => write!(f, " ({code})")?,
            (None, None) => {}
        }
        if let Some(wait) = self.retry_after {
            write!(f, ", retry after {wait:?}")?;
        }
        match &self.source {
            Some(source) => write!(f, ": {}", Causes(&**source)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the description nor the whole of the source: both may repeat what was sent.
        f.debug_struct("TokenError")
            .field("kind", &self.kind)
            .field("status", &self.status)
            .field("code", &self.code)
            .field("retry_after", &self.retry_after)
            .field("is_final", &self.is_final)
            .field("source", &self.source.as_deref().map(|source| Causes(source)))
            .finish_non_exhaustive()
    }
}

impl Error for TokenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
