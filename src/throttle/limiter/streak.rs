//! Rate-limited responses in a row, which no model predicted.

use std::time::Duration;

use tokio::time::Instant;

use super::{Verdict, View, later};

/// The gap after the second of them; each further one doubles it.
const FIRST_GAP: Duration = Duration::from_millis(10);

const LONGEST_GAP: Duration = Duration::from_secs(1);

/// A guard against a wrong model: rate-limited responses in a row space out what is sent, whatever the counters say.
///
/// Requests sent before such a response came tell nothing new, so any number of them counts as one.
#[derive(Debug, Default)]
pub(super) struct Streak {
    length: u32,
    /// When the last of them came.
    last: Option<Instant>,
}

// === impl Streak ===

impl Streak {
    pub(super) fn on_response(&mut self, sent: Instant, now: Instant, rate_limited: bool) {
        if !rate_limited {
            self.length = 0;
        } else if self.last.is_none_or(|last| sent >= last) {
            self.length = self.length.saturating_add(1);
            self.last = Some(now);
        }
    }

    pub(super) fn check(&self, view: &View) -> Verdict {
        let (Some(last), 2..) = (self.last, self.length) else { return Verdict::Go };
        let gap = FIRST_GAP.saturating_mul(1 << (self.length - 2).min(16)).min(LONGEST_GAP);
        let at = later(last, gap);
        if view.now < at { Verdict::At(at) } else { view.probe() }
    }
}
