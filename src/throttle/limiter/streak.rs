//! Refusals on end, which no model foresaw.

use std::time::Duration;

use tokio::time::Instant;

use super::{Verdict, View, later};

/// After the second refusal on end; each further one doubles it.
const FIRST: Duration = Duration::from_millis(10);

/// At most.
const LONGEST: Duration = Duration::from_secs(1);

/// A guard over everything that is believed: refusals on end space out what is sent, whatever the counters say.
///
/// Requests that had left before a refusal was heard of tell nothing new, so however many they are, they count as one.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    on_end: u32,
    /// When the last of them was heard of.
    heard: Option<Instant>,
}

// === impl Refusals ===

impl Refusals {
    pub(super) fn heard(&mut self, sent: Instant, now: Instant, refused: bool) {
        if !refused {
            self.on_end = 0;
        } else if self.heard.is_none_or(|heard| sent >= heard) {
            self.on_end = self.on_end.saturating_add(1);
            self.heard = Some(now);
        }
    }

    pub(super) fn turn(&self, view: &View) -> Verdict {
        let (Some(heard), 2..) = (self.heard, self.on_end) else { return Verdict::Go };
        let gap = FIRST.saturating_mul(1 << (self.on_end - 2).min(16)).min(LONGEST);
        let at = later(heard, gap);
        if view.now < at { Verdict::At(at) } else { view.probe() }
    }
}
