//! What this process took of a counter.

use std::time::Duration;

use crate::moment::Moment;

use super::super::later;

/// What this process took lately: in one to two times the longest span after which the server promised some of it back.
#[derive(Debug)]
pub(super) struct Usage {
    span: Duration,
    since: Moment,
    /// What was taken in the span before this one, and in this one.
    before: u64,
    taken: u64,
}

// === impl Usage ===

impl Usage {
    pub(super) const fn new(now: Moment) -> Self {
        Self { span: Duration::ZERO, since: now, before: 0, taken: 0 }
    }

    pub(super) fn read(&mut self, now: Moment, is_accepted: bool, back_in: Option<Duration>) {
        self.span = self.span.max(back_in.unwrap_or_default());
        if later(self.since, self.span) <= now {
            let is_next = later(self.since, self.span.saturating_mul(2)) > now;
            self.before = if is_next { self.taken } else { 0 };
            (self.since, self.taken) = (now, 0);
        }
        self.taken += u64::from(is_accepted);
    }

    /// Whether other processes took most of the limit.
    pub(super) const fn is_less_than_half(&self, limit: u64) -> bool {
        (self.before + self.taken).saturating_mul(2) < limit
    }
}
