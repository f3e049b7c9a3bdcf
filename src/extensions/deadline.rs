//! The deadline of a call.

use std::time::Duration;

use http::Request;
use tokio::time::Instant;

use super::ambient;

/// The time by which a call must have ended, with its waits, its retries and its body.
///
/// A caller sets one in the request's extensions. [`TimeoutLayer`](crate::TimeoutLayer) sets one for the layers inside; it is
/// *ambient*, in force while they are called and polled on the same task, so that most calls need no extension map. A layer or a
/// service of your own gets the earlier of the two from [`Deadline::of`], in [`Service::call`](tower_service::Service::call). Before
/// a change of the task (`tower::buffer`, `tokio::spawn`), put [`Deadline::ambient`] into the request's extensions.
///
/// One that a client may choose, as by `grpc-timeout`, needs a lower bound: a call that has run out of time is a failure of the upstream,
/// which opens its circuit and gets a fallback response.
///
/// ```
/// use std::time::Duration;
/// use tokio::time::Instant;
/// use tower_heed::extensions::Deadline;
///
/// let now = Instant::now();
/// let mut request = http::Request::get("https://id.example/users/1").body(()).unwrap();
/// request.extensions_mut().insert(Deadline::at(now + Duration::from_secs(2)));
///
/// let deadline = Deadline::of(&request).unwrap();
/// assert_eq!(deadline.remaining(now), Duration::from_secs(2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(Instant);

// === impl Deadline ===

impl Deadline {
    /// A deadline at `instant`.
    #[must_use]
    pub const fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// A deadline `timeout` after `now`; `None` if that is beyond what the clock can hold.
    #[must_use]
    #[inline]
    pub fn after(now: Instant, timeout: Duration) -> Option<Self> {
        now.checked_add(timeout).map(Self)
    }

    /// The deadline of `request`: the earlier of the one in its extensions and the ambient one.
    #[must_use]
    pub fn of<B>(request: &Request<B>) -> Option<Self> {
        earlier(request.extensions().get().copied(), Self::ambient())
    }

    /// The deadline that a [`TimeoutLayer`](crate::TimeoutLayer) has set around the running code, if any.
    #[must_use]
    #[inline]
    pub fn ambient() -> Option<Self> {
        ambient::deadline()
    }

    /// The time.
    #[must_use]
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// The time left at `now`; zero after the deadline.
    #[must_use]
    pub fn remaining(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }
}

/// The earlier of two deadlines, where none is never.
#[inline]
fn earlier(a: Option<Deadline>, b: Option<Deadline>) -> Option<Deadline> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}
