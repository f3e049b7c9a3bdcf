//! At most a limit in any period.

use std::time::Duration;

use crate::moment::Moment;

use super::{
    super::{
        MARGIN, Verdict, View, ago, in_flight::counted_by, later, ledger::Ledger, period::Period,
    },
    LONGEST_BURST, RoundTrip,
    growth::Growth,
};

/// The windows until the limit is tried to be higher.
const UNIT: u32 = 4;

/// The number of returns in time before the period is relied on without a probe.
const PROOF: u32 = 2;

/// After so many rejections that neither the limit nor the period explains, both are learned anew.
const MISSES: u32 = 3;

/// The number of times that the period is lengthened, and by how much at most.
const LENGTHENED: u32 = 2;
const MUCH_LONGER: u32 = 8;

/// No period that is not announced is longer: what was accepted before says nothing of it.
const LONGEST: Duration = Duration::from_secs(120);

/// At most `limit` in any `period`: right for fixed windows, which begin at any moment, and for sliding ones.
#[derive(Debug)]
pub(super) struct Window {
    limit: u64,
    period: Period,
    /// The number of times that the oldest was back in time.
    proven: u32,
    entries: Ledger,
    /// Those that are treated as back, at most `limit`, in case they are not.
    past: Ledger,
    lengthened: u32,
    /// When the limit was last lowered, and from what: requests in flight at that time may confirm it.
    lowered: Option<(Moment, u64)>,
    misses: u32,
    growth: Growth,
}

/// What a rejection says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// The limit, or one that is about as high.
    Limit,
    /// The end of the period, which has not come yet.
    Period,
    /// It came much too soon.
    Nothing,
    /// It did repeatedly.
    AnotherLimit,
}

// === impl Window ===

impl Window {
    /// `entries` were accepted, and perhaps a few more would be.
    pub(super) fn new(limit: u64, period: Period, entries: Ledger, now: Moment) -> Self {
        let unit = limit.saturating_mul(u64::from(UNIT)) as f64;
        let growth = Growth::new(unit, period.next_attempt() * UNIT, now);
        let past = Ledger::default();
        let (proven, lengthened, lowered, misses) = (0, 0, None, 0);
        Self { limit, period, proven, entries, past, lengthened, lowered, misses, growth }
    }

    pub(super) fn check(&mut self, view: &View<'_>) -> Verdict {
        let length = self.period.next_attempt().saturating_add(MARGIN);
        if self.proven >= PROOF {
            self.release(length, view.now);
        }
        // Hanging requests count for as long as those that were accepted: no counter shows whether they were counted.
        let since = ago(view.now, length);
        let counted = self.entries.count() + view.in_flight.counted_since(since);
        let factor = self.growth.factor(view.now).max(1.0);
        if counted < (self.limit as f64 * factor) as u64 {
            return Verdict::Go;
        }
        let in_flight = view.in_flight.first_counted_since(since);
        let oldest = self.entries.oldest().map(|oldest| oldest.latest).into_iter().chain(in_flight);
        let back = oldest.min().map(|oldest| later(oldest, length));
        match back.filter(|back| view.now < *back) {
            Some(back) => Verdict::At(back),
            None => view.probe(),
        }
    }

    fn release(&mut self, length: Duration, now: Moment) {
        while let Some(oldest) = self.entries.oldest().filter(|it| later(it.latest, length) <= now)
        {
            let before = self.entries.count();
            self.entries.remove_oldest();
            self.past.add(oldest.earliest, oldest.latest, before - self.entries.count());
        }
        self.past.remove(self.past.count().saturating_sub(self.limit));
    }

    /// Lengthens the period until it holds as many accepted requests as the limit, if that explains a rejection with a wait: the
    /// block began where a wait in whole seconds ended, somewhere in a window, and the next window was mistaken for the next period.
    fn lengthen(&mut self, trip: &RoundTrip, counted: u64) -> bool {
        let too_long = self.period.next_attempt() * MUCH_LONGER;
        if trip.wait.is_none() || self.lengthened >= LENGTHENED {
            return false;
        }
        let Some(first) = self.entries.restore(&mut self.past, self.limit - counted) else {
            return false;
        };
        let after = trip.sent.saturating_duration_since(first.latest);
        self.lengthened += 1;
        self.period.not_yet(after.min(too_long));
        self.proven = 0;
        true
    }

    /// What was accepted so long ago says nothing of the period: nobody asked to send meanwhile.
    fn forget_old(&mut self, now: Moment) {
        let longer = self.period.next_attempt().saturating_mul(MUCH_LONGER);
        let too_long = longer.clamp(LONGEST_BURST, LONGEST);
        for ledger in [&mut self.entries, &mut self.past] {
            while ledger.oldest().is_some_and(|it| later(it.latest, too_long) < now) {
                ledger.remove_oldest();
            }
        }
    }

    /// Returns whether the limit was tried to be twice as high, and is.
    pub(super) fn on_accepted(&mut self, trip: &RoundTrip) -> bool {
        self.forget_old(trip.sent);
        if let Some(oldest) = self.entries.oldest().filter(|_| self.entries.count() >= self.limit) {
            if trip.sent >= later(oldest.latest, self.period.longer_than()) {
                let back = counted_by(trip.sent, trip.received);
                self.period.back(back.saturating_duration_since(oldest.earliest));
                self.proven += 1;
                self.entries.remove(1);
                self.past.add(oldest.earliest, oldest.latest, 1);
                self.release(self.period.next_attempt(), trip.received);
            }
        }
        self.entries.add(trip.sent, counted_by(trip.sent, trip.received), 1);
        self.growth.on_accepted();
        let counted = self.entries.count();
        if let Some((_, most)) = self.lowered.filter(|(at, _)| trip.sent < *at) {
            self.limit = self.limit.max(counted.min(most));
        }
        self.growth.factor(trip.received) >= 2.0
    }

    pub(super) fn on_lost(&mut self, sent: Moment, now: Moment) {
        if self.entries.count() < self.limit {
            self.entries.add(sent, now, 1);
        }
    }

    pub(super) fn on_rejected(&mut self, trip: &RoundTrip) -> Met {
        self.forget_old(trip.sent);
        let counted = self.entries.count();
        let factor = self.growth.factor(trip.received);
        if let Some(oldest) =
            self.entries.oldest().filter(|_| counted >= self.limit && factor <= 1.0)
        {
            // It was a probe, and the oldest is not back yet.
            self.period.not_yet(trip.sent.saturating_duration_since(oldest.latest));
            self.proven = 0;
            // A window of that length is not filled at once, and this one may be a lock-out.
            let is_window = self.period.next_attempt() <= LONGEST_BURST;
            return if is_window { Met::Period } else { Met::AnotherLimit };
        }
        if factor <= 1.0 && counted < self.limit && self.lengthen(trip, counted) {
            return Met::Period;
        }
        if counted * 3 > self.limit {
            let most = (self.limit as f64 * factor.max(1.0)) as u64;
            let is_same = counted.abs_diff(self.limit) * 10 <= self.limit;
            self.lowered = Some((trip.received, most));
            self.limit = counted;
            self.misses = 0;
            self.growth = self.growth.again(self.unit(), is_same && factor >= 1.0, trip.received);
            return Met::Limit;
        }
        self.misses += 1;
        if let Some(newest) = self.past.newest() {
            self.period.not_yet(trip.sent.saturating_duration_since(newest.latest));
        }
        self.growth = self.growth.again(self.unit(), false, trip.received);
        self.proven = 0;
        if self.misses < MISSES { Met::Nothing } else { Met::AnotherLimit }
    }

    /// The server was closed, and a probe was accepted: what was counted before is back.
    pub(super) fn resume(&mut self, trip: &RoundTrip) {
        self.entries.clear();
        self.entries.add(trip.sent, counted_by(trip.sent, trip.received), 1);
    }

    fn unit(&self) -> f64 {
        self.growth.unit().max(self.limit.saturating_mul(u64::from(UNIT)) as f64)
    }

    #[cfg(feature = "shared")]
    pub(super) const fn is_proven(&self) -> bool {
        self.proven >= PROOF
    }

    pub(super) fn length(&self) -> Duration {
        self.period.next_attempt()
    }

    pub(super) const fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn rate(&self) -> f64 {
        self.limit as f64 / self.length().as_secs_f64().max(0.001)
    }
}
