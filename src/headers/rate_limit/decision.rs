use std::{borrow::Cow, cmp::Reverse};

use super::{Outcome, RateLimit, Window};
use crate::headers::wait::Wait;

/// The wait, and the header that decided it.
pub(super) struct Decision<'a> {
    pub(super) wait: Wait,
    source: Source<'a>,
}

enum Source<'a> {
    Delay(&'static str),
    Reset(&'a Window),
    /// Units remain, and no header asks for a wait.
    Remaining,
}

// === impl Decision ===

impl<'a> Decision<'a> {
    /// The latest of the explicit delay and the binding resets.
    pub(super) fn of(limit: &'a RateLimit, outcome: Outcome) -> Option<Self> {
        let spent = limit.is_spent();
        // On a success the delay is a polling hint (202), or sent with every response (lemlist, Atlassian Data Center), unless a window
        // is spent. On a redirection it counts: RFC 9110 section 10.2.3.
        let delay = limit.delay.filter(|_| spent || outcome != Outcome::Success);
        let resets = limit
            .windows
            .iter()
            .filter(|window| binds(window, outcome, spent))
            .filter(|window| delay.is_none() || !window.yields_to_delay())
            .filter_map(|window| {
                Some(Self { wait: window.wait()?, source: Source::Reset(window) })
            });
        let delay =
            delay.map(|delay| Self { wait: delay.wait, source: Source::Delay(delay.header()) });
        // Among equals the delay comes first, then the first window.
        let latest = delay.into_iter().chain(resets).min_by_key(|decision| Reverse(decision.wait));
        latest.or_else(|| Self::remaining(limit, outcome, spent))
    }

    /// A wait of zero if units remain, unless the request failed for a reason that the windows do not show.
    fn remaining(limit: &RateLimit, outcome: Outcome, spent: bool) -> Option<Self> {
        let known = limit.windows.iter().any(|window| window.units_left().is_some());
        let failed = matches!(outcome, Outcome::RateLimited | Outcome::Transient);
        (known && !spent && !failed).then_some(Self { wait: Wait::NONE, source: Source::Remaining })
    }

    /// The name of the header that decided the wait.
    pub(super) fn header(&self) -> Option<Cow<'static, str>> {
        match self.source {
            Source::Delay(header) => Some(Cow::Borrowed(header)),
            Source::Reset(window) => window.reset_header(),
            Source::Remaining => None,
        }
    }
}

/// Whether a window's reset is binding.
///
/// That of a window with units remaining is not: GitHub's secondary limit, Jira and OpenAI reject requests while every counter is
/// above zero. That of a window with an unknown remainder is, if the request was rate limited and no window is spent.
fn binds(window: &Window, outcome: Outcome, spent: bool) -> bool {
    if spent {
        window.is_spent()
    } else {
        outcome == Outcome::RateLimited && window.units_left().is_none()
    }
}

/// The reported window: the spent one that ends last, or else the one with the least remaining, or else the first with a limit. Among
/// equals the first.
pub(super) fn reported(windows: &[Window]) -> Option<&Window> {
    let spent = windows.iter().filter(|window| window.is_spent());
    spent
        .min_by_key(|window| Reverse(window.wait()))
        .or_else(|| {
            let known = windows.iter().filter(|window| window.units_left().is_some());
            known.min_by_key(|window| window.units_left())
        })
        .or_else(|| windows.iter().find(|window| window.limit().is_some()))
        .or_else(|| windows.first())
}
