use std::time::Duration;

use crate::classify::ErrorClass;

/// On a response out of the cache: it is past its time to live, and is served because the server could not be had.
///
/// A response that is fresh carries none. Both have an `Age` header.
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

    /// How old the response is: the `Age` that it came with, and the time since just before it was asked for.
    #[must_use]
    pub const fn age(&self) -> Duration {
        self.age
    }

    /// Why it could not be refreshed: what the server's last answer means, or
    /// [`Timeout`](ErrorClass::Timeout) where none came within [`stale_wait`](super::Config::stale_wait).
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        self.class
    }
}
