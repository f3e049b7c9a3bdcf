//! A few requests held back to find out when the quota comes back.

use std::time::Duration;

use tokio::time::Instant;

use super::super::{Verdict, View, later};

/// A sixth of the limit, and no more than this many, are held back; one for each so much of the time to be searched.
const MOST: u64 = 5;
const APART: Duration = Duration::from_millis(100);

/// How well the moment is to be known; no network is more exact.
const EXACT: Duration = Duration::from_millis(10);

/// Nobody is held back for longer than this for the sake of knowledge.
const PATIENCE: Duration = Duration::from_millis(5_000);

/// Scouts: the last few requests of a window, sent one by one over the time in which the window may end.
///
/// ```text
///                    the reset is somewhere in here
///                   ├──────────────────────────────┤
///   ▒▒▒▒▒▒▒▒ burst     ·      ·      ·      ·      ·  scouts
///                                       ▲
///                          this one's answer shows the new window
/// ```
///
/// A scout is never refused: before the reset there is a unit left for it, and after the reset there are all. So the moment is
/// learned without a refusal, by requests that had to be sent anyway; and what they find between tells one kind of limiter from
/// another. When the moment is known, none are held back.
#[derive(Debug, Default)]
pub(super) struct Scouts {
    last_sent: Option<Instant>,
    /// Before that.
    sent_before: Option<Instant>,
}

// === impl Scouts ===

impl Scouts {
    pub(super) fn sent(&mut self, now: Instant) {
        if self.last_sent != Some(now) {
            self.sent_before = self.last_sent.replace(now);
        }
    }

    /// The last one never left, so the next need keep no distance from it.
    pub(super) fn unsent(&mut self, sent: Instant) {
        if self.last_sent == Some(sent) {
            self.last_sent = self.sent_before;
        }
    }

    /// Whether one of the `left` may go, if all comes back between `earliest` and `latest`.
    pub(super) fn turn(
        &self,
        view: &View,
        left: u64,
        limit: u64,
        earliest: Instant,
        latest: Instant,
    ) -> Verdict {
        let width = latest.saturating_duration_since(earliest.max(view.now));
        // A unit that finds nothing is lost, which is the time that it takes to wait for one.
        let wait = latest.saturating_duration_since(view.now);
        let unit = wait / u32::try_from(limit).unwrap_or(u32::MAX).max(1);
        let uncertain = width > EXACT.max(view.rtt).max(unit);
        let worth = (width.as_millis() / APART.as_millis()) as u64 + 1;
        let held_back = (limit / 6).min(MOST).min(worth);
        if left > held_back || !uncertain || latest > later(view.now, PATIENCE) {
            return Verdict::Go;
        }
        let from = self.last_sent.map_or(earliest, |last| last.max(earliest));
        let share = u32::try_from(left).unwrap_or(u32::MAX).saturating_add(1);
        let due = later(from, latest.saturating_duration_since(from) / share);
        if view.now >= due { Verdict::Go } else { Verdict::At(due) }
    }
}
