//! Small facts that travel in a request's or response's extensions.

use std::time::Duration;

use crate::classify::ErrorClass;

/// On a request: send it once, whatever the answer. [`RetryOnRateLimit`](crate::RetryOnRateLimit) passes it through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoRetry;

/// On a request: sending it twice does no more than sending it once, whatever its method
/// ([RFC 9110 section 9.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2)).
///
/// An `Idempotency-Key` header says the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Idempotent;

/// On a request that is sent again: how many sends came before. The first send carries none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt(u32);

/// On a request: it is sent to get a session back, so its failure is no new reason to do so.
///
/// Nothing starts an `on_unauthenticated` handler while it runs; put this on the requests of a task that it leaves
/// running when it returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery;

/// On a response: this 401 rejected a token that has been replaced since, so the request may be sent again at once,
/// one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenReplaced;

/// On a response: it is not the upstream's. The upstream failed, and
/// [`FallbackLayer::fail_open`](crate::FallbackLayer::fail_open) answered in its place.
///
/// Whoever decides by such an answer, caches it or shows it to a person should know that it is second best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Degraded {
    class: ErrorClass,
    retry_after: Option<Duration>,
}

/// On a request: who goes first where several wait for a turn.
///
/// [`ThrottleLayer`](crate::ThrottleLayer) gives the next turn to the highest priority that waits, and every fourth to
/// whoever has waited longest, so that nobody waits for ever. A request without it is `Normal`.
///
/// ```
/// use tower_heed::extensions::Priority;
///
/// let mut login = http::Request::post("https://id.example/oauth/token").body(()).unwrap();
/// login.extensions_mut().insert(Priority::High);
/// assert!(Priority::High > Priority::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Priority {
    /// It can wait: a bulk job, a synchronisation at night.
    Low,
    /// As most are.
    #[default]
    Normal,
    /// A person is waiting: a login.
    High,
}

// === impl Attempt ===

impl Attempt {
    /// A send that `retries` others came before.
    #[must_use]
    pub const fn new(retries: u32) -> Self {
        Self(retries)
    }

    /// How many sends of this call came before this one.
    #[must_use]
    pub const fn retries(self) -> u32 {
        self.0
    }
}

// === impl Degraded ===

impl Degraded {
    /// A mark for an answer that was given because of a failure of this class.
    #[must_use]
    pub const fn new(class: ErrorClass, retry_after: Option<Duration>) -> Self {
        Self { class, retry_after }
    }

    /// What the upstream's failure means.
    #[must_use]
    pub const fn class(self) -> ErrorClass {
        self.class
    }

    /// How long not to ask the upstream again, counted from its failure; none if nothing is known.
    #[must_use]
    pub const fn retry_after(self) -> Option<Duration> {
        self.retry_after
    }
}

// === impl Priority ===

impl Priority {
    /// The priority in snake case, as it stands in events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}
