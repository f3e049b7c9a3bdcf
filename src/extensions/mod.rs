//! What travels with a call from layer to layer: in the extensions of requests and responses, and around each poll.

use std::time::Duration;

use http::Extensions;

use crate::classify::ErrorClass;

pub(crate) mod ambient;
mod deadline;
pub(crate) mod token_key;
pub(crate) mod token_scope;

pub use deadline::Deadline;

/// On a request: send it once, whatever the response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoRetry;

/// On a request: sending it twice does no more than sending it once, whatever its method
/// ([RFC 9110 section 9.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2)).
///
/// An `Idempotency-Key` header says the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Idempotent;

/// On a request that is sent again: how many attempts came before. The first attempt carries none.
///
/// Each layer that sends again adds its own attempts to those that a layer outside has counted. What is one attempt to the outer
/// layer may have been several of the inner one: these count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt(u32);

/// On a request: it is part of a recovery, so its failure does not start one.
///
/// Put it on the requests of a task that an `on_unauthenticated` handler leaves running when it returns. While the handler runs,
/// nothing starts it anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery;

/// On a response: the token that this 401 rejected has been replaced, so the request may be sent again once, at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenReplaced;

/// On a response: the upstream failed, and [`FallbackLayer::fail_open`](crate::FallbackLayer::fail_open) made the response in its
/// place.
///
/// Code that decides by the response, caches it or shows it should know that it is a substitute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Degraded {
    class: ErrorClass,
    retry_after: Option<Duration>,
}

/// On a request: its priority in the throttle's queue.
///
/// [`ThrottleLayer`](crate::ThrottleLayer) gives the next permit to the queued request of the highest priority, and every fourth
/// permit to the one that has waited longest, so that none waits for ever. A request without a priority is `Normal`.
///
/// ```
/// use tower_heed::extensions::Priority;
///
/// let mut login = http::Request::post("https://id.example/login").body(()).unwrap();
/// login.extensions_mut().insert(Priority::High);
/// assert!(Priority::High > Priority::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Priority {
    /// The request can wait: a bulk job, a synchronization at night.
    Low,
    /// Most requests.
    #[default]
    Normal,
    /// A person is waiting: a login.
    High,
}

// === impl Attempt ===

impl Attempt {
    /// An attempt after `retries` others.
    #[must_use]
    pub const fn new(retries: u32) -> Self {
        Self(retries)
    }

    /// Marks a request as sent after `retries` others, besides those that a layer outside has counted.
    pub(crate) fn add(extensions: &mut Extensions, retries: u32) {
        let outside = extensions.get().copied().map_or(0, Self::retries);
        extensions.insert(Self::new(outside.saturating_add(retries)));
    }

    /// How many attempts came before this one, as each layer has [counted](Self) its own.
    #[must_use]
    pub const fn retries(self) -> u32 {
        self.0
    }
}

// === impl Degraded ===

impl Degraded {
    /// A mark for a response in place of a failure of this class.
    #[must_use]
    pub const fn new(class: ErrorClass, retry_after: Option<Duration>) -> Self {
        Self { class, retry_after }
    }

    /// The class of the upstream's failure.
    #[must_use]
    pub const fn class(self) -> ErrorClass {
        self.class
    }

    /// How long to wait before the next request, counted from the failure; `None` if nothing is known.
    #[must_use]
    pub const fn retry_after(self) -> Option<Duration> {
        self.retry_after
    }
}

// === impl Priority ===

impl Priority {
    /// The priority in snake case, as in events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}
