//! A few requests held back to find out when the quota comes back.

use std::time::Duration;

use crate::moment::Moment;

use super::super::{Verdict, View, later};

/// A sixth of the limit is held back, at most this many, and one for each of these spans in the time to be searched.
const MOST: u64 = 5;
const APART: Duration = Duration::from_millis(100);

/// A reset known to within this is exact: no network is better.
const EXACT: Duration = Duration::from_millis(10);

/// No request is held back for longer than this to learn.
const PATIENCE: Duration = Duration::from_millis(5_000);

/// Scouts: the last few requests of a window, sent one by one over the time in which the window may end.
///
/// ```text
///                    the reset is somewhere in here
///                   ├──────────────────────────────┤
///   ▒▒▒▒▒▒▒▒ burst     ·      ·      ·      ·      ·  scouts
///                                       ▲
///                          this one's response shows the new window
/// ```
///
/// A scout is never rate limited: before the reset there is a unit left for it, and after the reset there are all. So the reset is
/// learned from requests that had to be sent anyway, and what the scouts find tells the kinds of limiters apart. Once the reset is
/// known, none are held back.
#[derive(Debug, Default)]
pub(super) struct Scouts {
    last_sent: Option<Moment>,
    /// The one before it.
    sent_before: Option<Moment>,
}

// === impl Scouts ===

impl Scouts {
    pub(super) fn on_sent(&mut self, now: Moment) {
        if self.last_sent != Some(now) {
            self.sent_before = self.last_sent.replace(now);
        }
    }

    /// The last one never left, so the next need not keep a distance from it.
    pub(super) fn on_unsent(&mut self, sent: Moment) {
        if self.last_sent == Some(sent) {
            self.last_sent = self.sent_before;
        }
    }

    /// Whether one of the `left` may be sent, if the limit resets between `earliest` and `latest`.
    pub(super) fn check(
        &self,
        view: &View<'_>,
        left: u64,
        limit: u64,
        (earliest, latest): (Moment, Moment),
    ) -> Verdict {
        let most = (limit / 6).min(MOST);
        if left > most {
            return Verdict::Go;
        }
        let width = latest.saturating_duration_since(earliest.max(view.now));
        // A unit that finds nothing is lost, which costs the time that a unit takes to come back.
        let wait = latest.saturating_duration_since(view.now);
        let unit = wait / u32::try_from(limit).unwrap_or(u32::MAX).max(1);
        let is_uncertain = width > EXACT.max(view.rtt).max(unit);
        let worth = (width.as_millis() / APART.as_millis()) as u64 + 1;
        let held_back = most.min(worth);
        if left > held_back || !is_uncertain || latest > later(view.now, PATIENCE) {
            return Verdict::Go;
        }
        let from = self.last_sent.map_or(earliest, |last| last.max(earliest));
        let share = u32::try_from(left).unwrap_or(u32::MAX).saturating_add(1);
        let due = later(from, latest.saturating_duration_since(from) / share);
        if view.now >= due { Verdict::Go } else { Verdict::At(due) }
    }
}
