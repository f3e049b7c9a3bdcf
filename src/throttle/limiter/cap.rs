//! A limit that the user has set.

use std::time::Duration;

use crate::moment::Moment;

use super::{MARGIN, Verdict, ago, later, ledger::Ledger};

/// No period is longer.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// At most so many requests are sent in any period, whatever the server says.
///
/// The ledger takes at most 128 entries. Of a higher limit each two of these become one, which is back when the later of both is:
/// never too early, and a hundredth of the period late.
#[derive(Debug)]
pub(super) struct Cap {
    limit: u64,
    period: Duration,
    sent: Ledger,
}

// === impl Cap ===

impl Cap {
    /// `None` if the period is zero: that is no limit. A limit of zero counts as one.
    pub(super) fn new(limit: u32, period: Duration) -> Option<Self> {
        let (limit, period) = (u64::from(limit.max(1)), period.min(LONGEST));
        (!period.is_zero()).then(|| Self { limit, period, sent: Ledger::default() })
    }

    pub(super) fn check(&mut self, now: Moment) -> Verdict {
        let length = self.period.saturating_add(MARGIN);
        while self.sent.oldest().is_some_and(|oldest| later(oldest.latest, length) <= now) {
            self.sent.remove_oldest();
        }
        match self.sent.oldest().filter(|_| self.sent.count() >= self.limit) {
            Some(oldest) => Verdict::At(later(oldest.latest, length)),
            None => Verdict::Go,
        }
    }

    pub(super) fn on_sent(&mut self, now: Moment) {
        self.sent.add(now, now, 1);
    }

    /// The request of this moment never left.
    pub(super) fn on_unsent(&mut self, sent: Moment) {
        self.sent.take_back(sent);
    }

    /// The most requests that can be sent before a moment.
    pub(super) fn max_permits_before(&self, moment: Moment, now: Moment) -> u64 {
        let span = moment.saturating_duration_since(now);
        let periods = span.as_nanos() / self.period.as_nanos().max(1);
        if periods > 0 {
            let periods = u64::try_from(periods).unwrap_or(u64::MAX);
            return self.limit.saturating_mul(periods.saturating_add(1));
        }
        let back = self.sent.before(ago(moment, self.period));
        self.limit.saturating_sub(self.sent.count() - back)
    }
}
