//! The rate-limit headers of all known vendors. `dialects.rs` lists them. A malformed value counts as absent and does not affect
//! other headers.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use http::HeaderMap;

pub(crate) mod aws;
mod bucket;
mod clock;
mod decision;
mod dialect;
mod dialects;
mod fields;
mod flat;
mod grpc;
mod outcome;
mod reader;
mod repeats;
mod structured;
pub(super) mod text;
mod vendor;
mod window;

pub(crate) use self::{
    bucket::Bucket,
    repeats::{MAX_WINDOWS, Repeat, Repeats},
};
use self::{
    decision::{Decision, reported},
    reader::{ExplicitDelay, Reader, Scan, Windows},
};
pub use self::{outcome::Outcome, window::Window};

/// The rate-limit headers of one response.
///
/// A response may have several limits. Each is a [`Window`]. [`limit`](Self::limit), [`remaining`](Self::remaining),
/// [`reset`](Self::reset) and [`policy`](Self::policy) report the most relevant window; [`wait`](Self::wait) considers all of them.
///
/// # Example
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_heed::headers::{Outcome, RateLimit};
/// # use http::{HeaderMap, HeaderValue};
///
/// let mut headers = HeaderMap::new();
/// headers.insert("x-ratelimit-limit", HeaderValue::from_static("60"));
/// headers.insert("x-ratelimit-remaining", HeaderValue::from_static("0"));
/// headers.insert("x-ratelimit-reset", HeaderValue::from_static("12.5"));
///
/// let limit = RateLimit::from_headers(&headers, SystemTime::UNIX_EPOCH).unwrap();
/// assert_eq!(limit.limit(), Some(60));
/// assert_eq!(limit.remaining(), Some(0));
/// assert_eq!(limit.wait(Outcome::RateLimited), Some(Duration::from_millis(12_500)));
/// assert_eq!(limit.decided_by(Outcome::RateLimited).as_deref(), Some("x-ratelimit-reset"));
/// ```
///
/// # Times
///
/// Every time counts from the response: whole milliseconds, rounded up, from zero to 2^31 seconds, the maximum of
/// [RFC 9111 section 1.2.2]. A shorter cap is up to the caller. An absolute time is measured from the response's `Date`, so that a
/// wrong client clock does not matter; without a `Date` it is measured from `now`.
///
/// # Bounds
///
/// The work is linear in the size of the headers. The first 64 windows are kept.
///
/// [RFC 9111 section 1.2.2]: https://www.rfc-editor.org/rfc/rfc9111#section-1.2.2
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    windows: Windows,
    delay: Option<ExplicitDelay>,
}

// === impl RateLimit ===

impl RateLimit {
    /// Reads the headers of a response that arrived at `now` by the client's clock, which is used only without a valid `Date`.
    ///
    /// `None` without any rate-limit header. Of a response from a cache (`Age` above 0) the windows are ignored, but not the explicit
    /// delay.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap, now: SystemTime) -> Option<Self> {
        Self::from_headers_when(headers, &|| now)
    }

    /// As [`from_headers`](Self::from_headers), with a clock that is read only if it counts.
    #[inline]
    pub(crate) fn from_headers_when(
        headers: &HeaderMap,
        now: &dyn Fn() -> SystemTime,
    ) -> Option<Self> {
        Reader::read(headers, now).map(Reader::into_limit)
    }

    /// As [`from_headers_when`](Self::from_headers_when), with what else the throttle wants to know.
    #[inline]
    pub(crate) fn scan<'a>(
        headers: &'a HeaderMap,
        now: &dyn Fn() -> SystemTime,
    ) -> Option<Scan<'a>> {
        Reader::read(headers, now).map(Reader::into_scan)
    }

    /// The limit of the reported window: the spent window with the latest reset, or else the one with the least remaining, or else
    /// the first one with a limit. Among equals the first one counts.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        self.reported()?.limit()
    }

    /// The units remaining in the reported window, without a fraction.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.reported()?.remaining()
    }

    /// The time until the reported window resets.
    #[must_use]
    pub fn reset(&self) -> Option<Duration> {
        self.reported()?.reset()
    }

    /// The server's name of the reported window; see [`Window::name`].
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        self.reported()?.name()
    }

    /// The explicit delay: `Retry-After` ([RFC 9110 section 10.2.3]) or a vendor's equivalent.
    ///
    /// `retry-after-ms` and `x-ms-retry-after-ms` take precedence over `Retry-After`; other equivalents apply only without it.
    /// `docs/providers.md` lists them in order. Among
    /// several lines of one name the longest delay counts.
    ///
    /// [RFC 9110 section 10.2.3]: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.delay.map(|delay| delay.wait.to_duration())
    }

    /// All windows, in the order of the headers.
    #[must_use]
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// Whether any window is spent.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.windows.iter().any(Window::is_spent)
    }

    /// Whether the headers show that a rejection is a rate limit: a window is spent, or there is an explicit delay.
    ///
    /// This distinguishes a 403 for a rate limit (GitHub, Salesforce, Azure API Management) from one for missing permissions. A reset
    /// is not enough: servers send it with every response.
    #[must_use]
    pub fn marks_rate_limit(&self) -> bool {
        self.delay.is_some() || self.is_spent()
    }

    /// The least time before *any* next request to the same limiter, after a response with this outcome.
    ///
    /// Zero means that a request may be sent now, `None` that it is unknown. It is the later of the explicit delay and the binding
    /// resets. A reset that only says when a window is full again yields to the explicit delay.
    ///
    /// * The explicit delay counts on every response but a success. On a success it counts only if a window is spent.
    /// * The reset of a spent window is binding. If none is spent and the request was rate limited, the resets of windows with an
    ///   unknown remainder are. The reset of a window with units remaining is never binding.
    #[must_use]
    pub fn wait(&self, outcome: Outcome) -> Option<Duration> {
        Decision::of(self, outcome).map(|decision| decision.wait.to_duration())
    }

    /// The [`wait`](Self::wait) without resets that mean nothing: those of a concurrency limit, which is over as soon as another
    /// request ends.
    pub(crate) fn pause(&self, outcome: Outcome) -> Option<Duration> {
        if !self.windows.iter().any(Window::reset_is_estimated) {
            return self.wait(outcome);
        }
        let windows = self.windows.iter().filter(|window| !window.reset_is_estimated()).cloned();
        Self { windows: windows.collect(), delay: self.delay }.wait(outcome)
    }

    /// The lower-case name of the header that decided the [`wait`](Self::wait).
    ///
    /// `None` without a wait, or if the wait is zero because units remain.
    #[must_use]
    pub fn decided_by(&self, outcome: Outcome) -> Option<Cow<'static, str>> {
        Decision::of(self, outcome)?.header()
    }

    fn reported(&self) -> Option<&Window> {
        reported(&self.windows)
    }
}
