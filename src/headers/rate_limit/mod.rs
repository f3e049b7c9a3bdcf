//! What the headers of an answer say about its rate limit, whatever vendor wrote them.
//!
//! `dialects.rs` is the table of all that is read. A value that cannot be read is as if its line were absent: it is never zero,
//! never an error, and never makes another header wrong.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use http::HeaderMap;

mod bucket;
mod clock;
mod decision;
mod dialect;
mod dialects;
mod fields;
mod flat;
mod outcome;
mod own;
mod reader;
mod structured;
mod text;
mod throttling;
mod window;

pub use self::{bucket::Bucket, outcome::Outcome, throttling::is_aws_throttling, window::Window};
use self::{
    decision::{Decision, reported},
    reader::{ExplicitDelay, Reader, Windows},
};

/// What the headers of one answer say about its rate limit.
///
/// An answer may speak of several limits at once. Each is a [`Window`]; [`limit`](Self::limit), [`remaining`](Self::remaining),
/// [`reset`](Self::reset) and [`policy`](Self::policy) report the one that matters most, and [`wait`](Self::wait) heeds them all.
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
/// Every time is a wait from the moment of the answer: whole milliseconds, rounded up, no less than zero and no more than 2^31
/// seconds, which is as long as [RFC 9111 section 1.2.2] knows. A shorter cap is the caller's to set. What the server gives as a
/// moment is measured from the answer's own `Date`, so that a client whose clock is off waits the right time; only an answer
/// without one is measured from `now`.
///
/// # Bounds
///
/// The work is in proportion to the headers' size. 64 windows are kept; of an answer that names more, the first ones.
///
/// [RFC 9111 section 1.2.2]: https://www.rfc-editor.org/rfc/rfc9111#section-1.2.2
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    windows: Windows,
    delay: Option<ExplicitDelay>,
}

// === impl RateLimit ===

impl RateLimit {
    /// Reads the headers of an answer that came at `now` by the client's own clock, which counts only where the answer has no
    /// `Date` that can be read.
    ///
    /// `None` if they say nothing at all about a limit. The windows of an answer that was stored by a cache (`Age` above 0) are
    /// passed over, its explicit delay is not.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap, now: SystemTime) -> Option<Self> {
        Self::from_headers_when(headers, || now)
    }

    /// As [`from_headers`](Self::from_headers), with a clock that is read only if something is said.
    #[inline]
    pub(crate) fn from_headers_when(
        headers: &HeaderMap,
        now: impl FnOnce() -> SystemTime,
    ) -> Option<Self> {
        // Nearly all answers say nothing, and are told by their names alone.
        let speaks = headers.keys().any(|name| dialects::find(name.as_str()).is_some());
        if speaks { Reader::read(headers, now()) } else { None }
    }

    /// The limit of the window that is reported: of the spent windows the one whose reset is latest, if none is spent the one with
    /// the least left, if none says what is left the first with a limit. Of equals the one that came first.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        self.reported()?.limit()
    }

    /// What is left in the window that is reported, without a fraction.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.reported()?.remaining()
    }

    /// When the window that is reported starts anew.
    #[must_use]
    pub fn reset(&self) -> Option<Duration> {
        self.reported()?.reset()
    }

    /// What the server calls the window that is reported; see [`Window::name`].
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        self.reported()?.name()
    }

    /// The explicit delay: `Retry-After` ([RFC 9110 section 10.2.3]) or the first of its vendors' twins that can be read.
    ///
    /// Those that are more exact stand before `Retry-After`, the others behind it; `docs/providers.md` lists them in order. Of
    /// several lines of one name the latest counts.
    ///
    /// [RFC 9110 section 10.2.3]: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.delay.map(|delay| delay.wait.to_duration())
    }

    /// Each window, in the order of the headers.
    #[must_use]
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// Whether any window is spent.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.windows.iter().any(Window::is_spent)
    }

    /// Whether the headers mark a refusal as a limit's: a window is spent, or the server says when to come back.
    ///
    /// This is what tells a 403 that is a limit (GitHub, Salesforce, Azure API Management) from one that is a matter of rights. A
    /// reset alone does not: it is sent with every answer.
    #[must_use]
    pub fn marks_refusal(&self) -> bool {
        self.delay.is_some() || self.is_spent()
    }

    /// The least time before *any* next request to the same limiter, after an answer of this kind.
    ///
    /// Zero says that a request may go now, `None` that the headers do not tell. The explicit delay and the resets that bind are
    /// compared, and the later one governs; but over a reset that only says when everything is full again, the delay governs alone.
    ///
    /// * The explicit delay counts on every answer but a success, where it counts only if a window is spent.
    /// * The reset of a spent window binds. If none is spent and the answer was refused, the resets of windows that do not say what
    ///   is left do. The reset of a window with units left never binds.
    #[must_use]
    pub fn wait(&self, outcome: Outcome) -> Option<Duration> {
        Decision::of(self, outcome).map(|decision| decision.wait.to_duration())
    }

    /// The name, in lower case, of the header that decided the [`wait`](Self::wait).
    ///
    /// `None` if there is no wait, or a wait of zero only because units are left.
    #[must_use]
    pub fn decided_by(&self, outcome: Outcome) -> Option<Cow<'static, str>> {
        Decision::of(self, outcome)?.header()
    }

    fn reported(&self) -> Option<&Window> {
        reported(&self.windows)
    }
}
