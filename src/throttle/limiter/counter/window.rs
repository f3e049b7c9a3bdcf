//! At most so many in any span of a length that has to be found out.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::{
    super::{Verdict, View, later, level::Level, period::Period},
    Scouts, Sighting,
};

/// So many times has the quota to come back when foretold before it is used without asking.
const PROOF: u32 = 2;

/// No more than so many are counted.
const MOST_SETBACKS: u32 = 6;

/// A moment that came too early was rounded down by no more than this.
const ROUNDED: Duration = Duration::from_secs(1);

/// More than this many accepted requests are not remembered one by one.
const MAX_ENTRIES: usize = 2_048;

/// Of what others have taken, no more is remembered one by one from one answer.
const MAX_OTHERS: u64 = 64;

/// An accepted request, counted by the server at some time between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) earliest: Instant,
    pub(super) latest: Instant,
}

/// A window whose end the server names badly or not at all: each accepted request comes back a period after it was counted.
///
/// That is how a sliding window works. A window that begins with the first request, or at any moment at all, keeps to it too: if
/// there are no more than the limit in *any* span of the period, there are no more in that one.
///
/// The ledger of accepted requests is squared with what each answer says is left: if the server counts fewer, the oldest have
/// come back, which bounds the period; if it counts more, somebody else sends.
#[derive(Debug)]
pub(super) struct Window {
    entries: VecDeque<Entry>,
    /// Counted by the server, and too many to be remembered.
    unlisted: u64,
    period: Period,
    level: Level,
    /// The latest time by which the server said all would be back.
    stated: Option<Instant>,
    proven: u32,
    /// A probe is out because the oldest should be back.
    probing: bool,
    /// Units left to others who send, for they take them between our answers.
    headroom: u64,
    /// Refusals that were not foreseen: each doubles the proof that is asked for.
    setbacks: u32,
    setback: Option<Instant>,
    eased: Option<Instant>,
    /// What the server says is rounded down.
    early: bool,
    /// The latest time before the last return: two of them are a period apart, or more.
    before_return: Option<Instant>,
    /// The latest time at which nothing had come back.
    nothing_yet: Option<Instant>,
}

// === impl Window ===

impl Window {
    pub(super) fn new(entries: VecDeque<Entry>) -> Self {
        Self {
            entries,
            unlisted: 0,
            period: Period::default(),
            level: Level::default(),
            stated: None,
            proven: 0,
            probing: false,
            headroom: 0,
            setbacks: 0,
            setback: None,
            eased: None,
            early: false,
            before_return: None,
            nothing_yet: None,
        }
    }

    pub(super) fn turn(&mut self, view: &View, limit: u64, scouts: &Scouts) -> Verdict {
        let counted = self.counted();
        let limit = limit.saturating_sub(self.headroom).max(1);
        let left = limit.saturating_sub(counted).saturating_sub(view.out);
        let back = self.back(view);
        if left > 0 {
            let Some(back) = back else { return Verdict::Go };
            let from = self
                .entries
                .front()
                .map_or(view.now, |entry| later(entry.latest, self.period.longer_than()));
            if self.is_proven() {
                return Verdict::Go;
            }
            return scouts.turn(view, left, limit, from.min(back), back);
        }
        let back = back.unwrap_or(view.now);
        if view.now < back {
            return Verdict::At(back);
        }
        if self.is_proven() {
            if self.release(view) {
                return self.turn(view, limit, scouts);
            }
            return view.probe();
        }
        self.probing = true;
        view.probe()
    }

    /// How many can be sent at most before a moment: no more than the limit in any period, which is longer than what passed
    /// without a return.
    pub(super) fn turns_before(&self, moment: Instant, view: &View, limit: u64) -> Option<u64> {
        let length = self.period.longer_than();
        if !self.is_proven() || length.is_zero() {
            return None;
        }
        let span = moment.saturating_duration_since(view.now).as_nanos();
        let periods = u64::try_from(span / length.as_nanos()).ok()?.saturating_add(1);
        Some(limit.saturating_mul(periods))
    }

    pub(super) fn left(&self, view: &View, limit: u64) -> (u64, Instant) {
        let left = limit.saturating_sub(self.counted()).saturating_sub(view.out);
        (left, self.back(view).unwrap_or(view.now))
    }

    /// Nobody else was met for a period: a unit less is left to them.
    fn ease(&mut self, seen: &Sighting) {
        let Some(length) = self.period.length() else { return };
        if self.eased.or(self.setback).is_some_and(|eased| later(eased, length) <= seen.received) {
            self.headroom = self.headroom.saturating_sub(1);
            self.setbacks = self.setbacks.saturating_sub(1);
            self.eased = Some(seen.received);
        }
    }

    fn is_proven(&self) -> bool {
        self.proven >= PROOF << self.setbacks
    }

    /// What left before the last refusal was heard of tells nothing new.
    fn set_back(&mut self, seen: &Sighting) {
        if self.setback.is_none_or(|setback| setback <= seen.sent) {
            self.setbacks = (self.setbacks + 1).min(MOST_SETBACKS);
            self.setback = Some(seen.received);
        }
        self.proven = 0;
    }

    /// Whether the period is known to within a twentieth.
    fn is_exact(&self) -> bool {
        match (self.period.width(), self.period.length()) {
            (Some(width), Some(length)) => width <= length / 20,
            _ => false,
        }
    }

    /// When the oldest is taken to be back.
    fn back(&self, view: &View) -> Option<Instant> {
        let oldest = self.entries.front()?;
        let own = self
            .period
            .length()
            .map(|length| later(oldest.latest, length.saturating_add(view.margin)));
        let back = match (own, self.stated) {
            (Some(own), Some(stated)) if !self.early => own.min(later(stated, view.margin)),
            (Some(own), _) => own,
            (None, Some(stated)) if self.early => later(stated, ROUNDED),
            (None, stated) => later(stated?, view.margin),
        };
        Some(view.cap(back, oldest.latest))
    }

    /// Takes those that should be back to be back.
    fn release(&mut self, view: &View) -> bool {
        let before = self.entries.len();
        let Some(length) = self.period.length() else {
            self.entries.clear();
            return before > 0;
        };
        while self.entries.front().is_some_and(|entry| {
            later(entry.latest, length.saturating_add(view.margin)) <= view.now
        }) {
            self.entries.pop_front();
        }
        self.entries.len() < before
    }

    pub(super) fn read(&mut self, seen: &Sighting, resets: Option<Instant>) {
        if !seen.refused {
            if self.entries.len() >= MAX_ENTRIES {
                self.entries.pop_front();
            }
            self.entries.push_back(Entry { earliest: seen.sent, latest: seen.received });
        }
        self.square(seen, resets);
    }

    /// Squares the ledger, which this answer is in, with what the answer says.
    pub(super) fn square(&mut self, seen: &Sighting, resets: Option<Instant>) {
        self.level.read(seen.sent, seen.received, seen.left);
        if seen.refused {
            self.set_back(seen);
        }
        let counted = seen.limit.saturating_sub(seen.left);
        // Those that had been answered when it left were counted before it, and so was it.
        let before = self.entries.partition_point(|entry| entry.latest <= seen.sent) as u64;
        let surely = before + u64::from(!seen.refused);
        let mut oldest = self.entries.front().copied();
        if let Some(entry) = oldest {
            if surely > counted {
                // A window that does not begin with a request may end any time after one. From one return to the next is a whole one.
                if let Some(begin) = self.before_return {
                    self.period
                        .back(seen.received.saturating_duration_since(begin.min(entry.earliest)));
                }
                self.before_return = self.nothing_yet.or(Some(entry.earliest));
                if self.is_exact() {
                    self.proven += 1;
                }
            } else if surely == counted && before > 0 {
                self.period.not_yet(seen.sent.saturating_duration_since(entry.latest));
                self.nothing_yet = Some(seen.sent);
                self.ease(seen);
                if self.probing || seen.refused {
                    self.early |= self.stated.is_some_and(|stated| seen.sent > stated);
                    self.proven = 0;
                }
            }
        }
        self.probing = false;
        // While nothing has come back, each answer says the same and rounds it up anew: the least of it holds.
        let again = seen.rounds_anew && surely <= counted && !self.early;
        let known = self.stated.filter(|_| again);
        self.stated = resets.map(|resets| known.map_or(resets, |known| known.min(resets)));
        for _ in counted..surely {
            oldest = self.entries.pop_front().or(oldest);
        }
        // Somebody else's, or some of our own that nobody told us of.
        let perhaps = (self.entries.len() as u64).saturating_add(seen.out);
        let others = counted.saturating_sub(perhaps).min(MAX_OTHERS);
        if others > 0 && seen.refused && self.is_exact() {
            self.headroom = (self.headroom + 1).min(seen.limit / 4);
            self.eased = Some(seen.received);
        }
        for _ in 0..others {
            if self.entries.len() < MAX_ENTRIES {
                self.entries.push_back(Entry { earliest: seen.sent, latest: seen.received });
            }
        }
        let listed = (self.entries.len() as u64).saturating_add(seen.out);
        self.unlisted = counted.saturating_sub(listed);
    }

    fn counted(&self) -> u64 {
        self.unlisted.saturating_add(self.entries.len() as u64)
    }
}

/// The length of time that a proven window takes, to be shown.
impl Window {
    pub(super) fn length(&self) -> Option<Duration> {
        self.period.length()
    }
}
