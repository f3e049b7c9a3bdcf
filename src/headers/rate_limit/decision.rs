//! What all of it comes to: how long to wait, and which window to report.

use std::{borrow::Cow, cmp::Reverse};

use super::{Outcome, RateLimit, Window};
use crate::headers::wait::Wait;

/// A wait, and the header that asks for it.
pub(super) struct Decision<'a> {
    pub(super) wait: Wait,
    source: Source<'a>,
}

enum Source<'a> {
    Delay(&'static str),
    Reset(&'a Window),
    /// Units are left, and nothing asks for a wait.
    Room,
}

// === impl Decision ===

impl<'a> Decision<'a> {
    /// The latest of all that binds.
    pub(super) fn of(limit: &'a RateLimit, outcome: Outcome) -> Option<Self> {
        let spent = limit.is_spent();
        // On a success it is a polling hint (202), or sent with every answer (lemlist, Atlassian Data Center), unless it explains a
        // spent window. On a redirection it counts: RFC 9110 section 10.2.3.
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
        // Of equals the first, which is the delay and then the first window.
        let latest = delay.into_iter().chain(resets).min_by_key(|decision| Reverse(decision.wait));
        latest.or_else(|| Self::room(limit, outcome, spent))
    }

    /// Nothing asks for a wait: the next request may go now where units are left, unless the answer was refused or failed for a
    /// reason that they say nothing about.
    fn room(limit: &RateLimit, outcome: Outcome, spent: bool) -> Option<Self> {
        let known = limit.windows.iter().any(|window| window.units_left().is_some());
        let failed = matches!(outcome, Outcome::RateLimited | Outcome::Transient);
        (known && !spent && !failed).then_some(Self { wait: Wait::NONE, source: Source::Room })
    }

    /// The name of the header that asks for the wait.
    pub(super) fn header(&self) -> Option<Cow<'static, str>> {
        match self.source {
            Source::Delay(header) => Some(Cow::Borrowed(header)),
            Source::Reset(window) => window.reset_header(),
            Source::Room => None,
        }
    }
}

/// Whether a window's reset has to be waited for.
///
/// One with units left never does: GitHub's secondary limit, Jira and OpenAI refuse with every counter above nothing, and its end is
/// not theirs. One that does not say what is left does when the answer was refused and nothing else explains it.
fn binds(window: &Window, outcome: Outcome, spent: bool) -> bool {
    if spent {
        window.is_spent()
    } else {
        outcome == Outcome::RateLimited && window.units_left().is_none()
    }
}

/// The window that speaks for all: of the spent ones the last to end, else the one with the least left, else the first with a limit.
/// Of equals the first.
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
