use std::time::Duration;

use crate::classify::ErrorClass;

/// The extension of a stale response, which is served because the server is down, or because it allows to serve the response while
/// that is refreshed (`stale-while-revalidate`).
///
/// A fresh response carries none. Both have an `Age` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale {
    age: Duration,
    class: ErrorClass,
}

// === impl Stale ===

impl Stale {
    pub(super) const fn new(age: Duration, class: ErrorClass) -> Self {
        Self { age, class }
    }

    /// The age of the response: its `Age` on arrival, and the time since its request was sent.
    #[must_use]
    pub const fn age(&self) -> Duration {
        self.age
    }

    /// Why the response could not be refreshed: the class of the last failure, or [`Timeout`](ErrorClass::Timeout) if no response
    /// came within [`stale_wait`](super::ResponseCacheConfig::stale_wait), or none was waited for (`stale-while-revalidate`).
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        self.class
    }
}
