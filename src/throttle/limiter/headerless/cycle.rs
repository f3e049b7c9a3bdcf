//! At most so many in any period, both of them found out.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::{
    super::{Verdict, View, later, period::Period},
    Heard, Next, Silent,
    blocked::Blocked,
    growth::Growth,
};

/// So many returns in time before the period is relied on.
const PROOF: u32 = 2;

/// So many surprises on end, and all is learned anew.
const GIVE_UP: u32 = 4;

/// So often a period is taken to be longer; then it is the limit that is less than was thought.
const TWICE: u32 = 2;

/// A period that is so many times as long as was thought is another limit.
const MUCH_LONGER: u32 = 8;

const FIRST_GAP: Duration = Duration::from_millis(20);

/// At most `limit` in any `period`: right for fixed windows, which begin anywhere, and for sliding ones.
#[derive(Debug)]
pub(in super::super) struct Cycle {
    limit: u64,
    period: Period,
    /// The time after which the oldest is tried to be back, while the period is not known.
    attempt: Duration,
    /// When those that count were sent and came back.
    entries: VecDeque<(Instant, Instant)>,
    /// Those taken to be back, as many as the limit, in case they are not.
    past: VecDeque<(Instant, Instant)>,
    lengthened: u32,
    /// Returns in time, in a row.
    proven: u32,
    /// Refusals that neither the limit nor the period explains, in a row.
    surprises: u32,
    /// Probes after the time at which the oldest was to be back, refused in a row.
    in_vain: u32,
    /// One alone goes until one is accepted.
    surprised: bool,
    /// The limit before it was last lowered, which those that were out then may show to be the right one.
    ceiling: u64,
    /// The last correction: what was sent before it says nothing new.
    corrected: Instant,
    not_before: Instant,
    growth: Growth,
}

// === impl Cycle ===

impl Cycle {
    /// `most` is what the limit may turn out to be when those come back that are out.
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
            surprised: false,
            ceiling: most,
            corrected: now,
            not_before: now,
            growth: Growth::new(now),
        }
    }

    pub(super) fn turn(&mut self, view: &View) -> Verdict {
        if view.now < self.not_before {
            return Verdict::At(self.not_before);
        }
        if self.counted(view) < self.limit {
            return if self.surprised { view.probe() } else { Verdict::Go };
        }
        let Some((_, oldest)) = self.entries.front() else { return view.probe() };
        let length = self.attempt;
        let back = view.cap(later(*oldest, length.saturating_add(view.margin)), *oldest);
        self.growth.is_full();
        if view.now < back {
            return Verdict::At(back);
        }
        if self.proven < PROOF {
            return view.probe();
        }
        self.release(view.now, view.margin);
        if self.counted(view) < self.limit { Verdict::Go } else { view.probe() }
    }

    pub(super) fn accepted(&mut self, heard: &Heard) -> Next {
        if heard.sent >= self.corrected && self.entries.len() as u64 >= self.limit {
            if let Some((sent, received)) = self.entries.front().copied() {
                if heard.sent >= later(received, self.period.longer_than()) {
                    self.period.back(heard.received.saturating_duration_since(sent));
                    self.attempt = self.period.next_attempt();
                    self.proven += 1;
                    self.in_vain = 0;
                    self.past.extend(self.entries.pop_front());
                    self.release(heard.received, Duration::ZERO);
                }
            }
        }
        self.entries.push_back((heard.sent, heard.received));
        self.surprised &= heard.sent < self.corrected;
        let counted = self.entries.len() as u64;
        if heard.sent < self.corrected {
            self.limit = self.limit.max(counted.min(self.ceiling));
        }
        if counted > self.limit / 2 {
            self.surprises = 0;
        }
        if let (Some(length), PROOF..) = (self.period.length(), self.proven) {
            self.limit = self.limit.saturating_add(self.growth.step(heard.received, length));
        }
        Next::Stay
    }

    pub(super) fn lost(&mut self, sent: Instant, now: Instant) {
        if (self.entries.len() as u64) < self.limit {
            let newest = self.entries.back().map_or(sent, |(_, received)| *received);
            self.entries.push_back((sent, newest.max(sent).min(now)));
        }
    }

    pub(super) fn refused(&mut self, heard: &Heard) -> Next {
        if let Some(wait) = heard.retry_after {
            self.hold(heard, wait);
        }
        if heard.sent < self.corrected {
            return Next::Stay;
        }
        self.corrected = heard.received;
        let counted = self.entries.len() as u64;
        if counted >= self.limit {
            // A probe, and the oldest is not back yet.
            if let Some((_, received)) = self.entries.front() {
                self.period.not_yet(heard.sent.saturating_duration_since(*received));
            }
            self.attempt = self.period.next_attempt();
            self.proven = 0;
            self.in_vain += 1;
        } else if self.lengthen(heard) {
            self.surprises += 1;
        } else if counted > self.limit / 2 {
            // So many fit and not one more.
            (self.ceiling, self.limit) = (self.limit, counted);
            self.growth.refused();
        } else {
            self.proven = 0;
            self.surprises += 1;
            self.surprised = true;
            if self.surprises >= GIVE_UP {
                return Next::Go(Silent::Blocked(Blocked::new(self.limit, heard)));
            }
            self.hold(heard, FIRST_GAP * self.surprises);
        }
        Next::Stay
    }

    /// With those that hang: no counter shows whether they are in.
    fn counted(&self, view: &View) -> u64 {
        self.entries.len() as u64 + view.out + view.settled
    }

    pub(super) fn length(&self) -> Option<Duration> {
        self.period.length()
    }

    pub(super) const fn limit(&self) -> u64 {
        self.limit
    }

    /// Time and again it was refused too early, or too late.
    pub(super) const fn is_at_a_loss(&self) -> bool {
        self.surprises > 1 || self.in_vain >= GIVE_UP
    }

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

    /// Takes the period to be longer than was thought, so long that as many as the limit were accepted in it.
    fn lengthen(&mut self, heard: &Heard) -> bool {
        let missing = usize::try_from(self.limit).unwrap_or(usize::MAX) - self.entries.len();
        let Some(first) = self.past.len().checked_sub(missing) else { return false };
        let after = heard.sent.saturating_duration_since(self.past[first].1);
        if heard.retry_after.is_none()
            || self.lengthened >= TWICE
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

    fn hold(&mut self, heard: &Heard, wait: Duration) {
        self.not_before = self.not_before.max(later(heard.received, wait));
    }
}
