//! At most a limit in any period, both of them learned.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::{
    super::{Verdict, View, later, period::Period},
    Headerless, Next, RoundTrip,
    blocked::Blocked,
    growth::Growth,
};

/// The number of returns in time before the period is relied on.
const PROOF: u32 = 2;

/// After this many surprises in a row everything is learned anew.
const GIVE_UP: u32 = 4;

/// The number of times that the period is lengthened; then the limit is lower than it was thought to be.
const MAX_LENGTHENED: u32 = 2;

/// A period this many times as long as it was thought to be is another limit.
const MUCH_LONGER: u32 = 8;

const FIRST_GAP: Duration = Duration::from_millis(20);

/// At most `limit` in any `period`: right for fixed windows, which begin at any moment, and for sliding ones.
#[derive(Debug)]
pub(in super::super) struct Cycle {
    limit: u64,
    period: Period,
    /// The time after which the oldest is tried to be back, while the period is not known.
    attempt: Duration,
    /// When the requests that count were sent and their responses came.
    entries: VecDeque<(Instant, Instant)>,
    /// Entries treated as back, at most `limit`, in case they are not.
    past: VecDeque<(Instant, Instant)>,
    lengthened: u32,
    /// Returns in time, in a row.
    proven: u32,
    /// Rate-limited responses in a row that neither the limit nor the period explains.
    surprises: u32,
    /// Probes in a row that were rate limited when the oldest should have been back.
    in_vain: u32,
    /// Single requests only, until one is accepted.
    is_probing: bool,
    /// The limit before it was last lowered, which requests in flight at that time may still confirm.
    ceiling: u64,
    /// The last correction: requests sent before tell nothing new.
    corrected: Instant,
    not_before: Instant,
    growth: Growth,
}

// === impl Cycle ===

impl Cycle {
    /// `most` is what the limit may turn out to be when the requests in flight are answered.
    pub(super) fn new(
        entries: VecDeque<(Instant, Instant)>,
        most: u64,
        closed_for: Duration,
        now: Instant,
    ) -> Self {
        let mut period = Period::default();
        period.not_yet(closed_for);
        let attempt = period.next_attempt();
        Self {
            limit: (entries.len() as u64).max(1),
            period,
            attempt,
            entries,
            past: VecDeque::new(),
            lengthened: 0,
            proven: 0,
            surprises: 0,
            in_vain: 0,
            is_probing: false,
            ceiling: most,
            corrected: now,
            not_before: now,
            growth: Growth::new(now),
        }
    }

    pub(super) fn check(&mut self, view: &View) -> Verdict {
        if view.now < self.not_before {
            return Verdict::At(self.not_before);
        }
        if self.counted(view) < self.limit {
            return if self.is_probing { view.probe() } else { Verdict::Go };
        }
        let Some((_, oldest)) = self.entries.front() else { return view.probe() };
        let length = self.attempt;
        let back = view.cap(later(*oldest, length.saturating_add(view.margin)), *oldest);
        self.growth.mark_full();
        if view.now < back {
            return Verdict::At(back);
        }
        if self.proven < PROOF {
            return view.probe();
        }
        self.release(view.now, view.margin);
        if self.counted(view) < self.limit { Verdict::Go } else { view.probe() }
    }

    pub(super) fn on_accepted(&mut self, trip: &RoundTrip) -> Next {
        if trip.sent >= self.corrected && self.entries.len() as u64 >= self.limit {
            if let Some((sent, received)) = self.entries.front().copied() {
                if trip.sent >= later(received, self.period.longer_than()) {
                    self.period.back(trip.received.saturating_duration_since(sent));
                    self.attempt = self.period.next_attempt();
                    self.proven += 1;
                    self.in_vain = 0;
                    self.past.extend(self.entries.pop_front());
                    self.release(trip.received, Duration::ZERO);
                }
            }
        }
        self.entries.push_back((trip.sent, trip.received));
        self.is_probing &= trip.sent < self.corrected;
        let counted = self.entries.len() as u64;
        if trip.sent < self.corrected {
            self.limit = self.limit.max(counted.min(self.ceiling));
        }
        if counted > self.limit / 2 {
            self.surprises = 0;
        }
        if let (Some(length), PROOF..) = (self.period.length(), self.proven) {
            self.limit = self.limit.saturating_add(self.growth.step(trip.received, length));
        }
        Next::Stay
    }

    pub(super) fn on_lost(&mut self, sent: Instant, now: Instant) {
        if (self.entries.len() as u64) < self.limit {
            let newest = self.entries.back().map_or(sent, |(_, received)| *received);
            self.entries.push_back((sent, newest.max(sent).min(now)));
        }
    }

    pub(super) fn on_rate_limited(&mut self, trip: &RoundTrip) -> Next {
        if let Some(wait) = trip.retry_after {
            self.wait(trip, wait);
        }
        if trip.sent < self.corrected {
            return Next::Stay;
        }
        self.corrected = trip.received;
        let counted = self.entries.len() as u64;
        if counted >= self.limit {
            // It was a probe, and the oldest is not back yet.
            if let Some((_, received)) = self.entries.front() {
                self.period.not_yet(trip.sent.saturating_duration_since(*received));
            }
            self.attempt = self.period.next_attempt();
            self.proven = 0;
            self.in_vain += 1;
        } else if self.lengthen(trip) {
            self.surprises += 1;
        } else if counted > self.limit / 2 {
            // This many fit, and not one more.
            (self.ceiling, self.limit) = (self.limit, counted);
            self.growth.on_rate_limited();
        } else {
            self.proven = 0;
            self.surprises += 1;
            self.is_probing = true;
            if self.surprises >= GIVE_UP {
                return Next::Go(Headerless::Blocked(Blocked::new(self.limit, trip)));
            }
            self.wait(trip, FIRST_GAP * self.surprises);
        }
        Next::Stay
    }

    /// Hanging requests count: no counter shows whether they were counted.
    fn counted(&self, view: &View) -> u64 {
        self.entries.len() as u64 + view.in_flight + view.settled
    }

    pub(super) fn length(&self) -> Option<Duration> {
        self.period.length()
    }

    pub(super) const fn limit(&self) -> u64 {
        self.limit
    }

    /// Requests were repeatedly rate limited too early, or too late.
    pub(super) const fn is_inexplicable(&self) -> bool {
        self.surprises > 1 || self.in_vain >= GIVE_UP
    }

    /// Drops entries that must be back.
    fn release(&mut self, now: Instant, margin: Duration) {
        let Some(length) = self.period.length() else { return };
        while self
            .entries
            .front()
            .is_some_and(|(_, received)| later(*received, length.saturating_add(margin)) <= now)
        {
            self.past.extend(self.entries.pop_front());
        }
        while self.past.len() as u64 > self.limit {
            self.past.pop_front();
        }
    }

    /// Lengthens the period until it holds as many accepted requests as the limit, if that explains the response.
    fn lengthen(&mut self, trip: &RoundTrip) -> bool {
        let missing = usize::try_from(self.limit).unwrap_or(usize::MAX) - self.entries.len();
        let Some(first) = self.past.len().checked_sub(missing) else { return false };
        let after = trip.sent.saturating_duration_since(self.past[first].1);
        if trip.retry_after.is_none()
            || self.lengthened >= MAX_LENGTHENED
            || self.growth.is_trying()
            || after > self.attempt * MUCH_LONGER
        {
            return false;
        }
        for entry in self.past.drain(first..).rev() {
            self.entries.push_front(entry);
        }
        self.period.not_yet(after);
        self.attempt = self.period.next_attempt();
        self.proven = 0;
        self.lengthened += 1;
        true
    }

    fn wait(&mut self, trip: &RoundTrip, wait: Duration) {
        self.not_before = self.not_before.max(later(trip.received, wait));
    }
}
