//! The quota of one key.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Answer, Kind, Reading, Reset, Snapshot, Ticket, Turn, Verdict, View,
    contention::Crowd,
    counter::Counter,
    headerless::{Heard, Silent},
    in_flight::InFlight,
    later,
    observation::MAX_READINGS,
    streak::Refusals,
};
use crate::headers::ServerClock;

/// A round trip is not taken to last longer.
const SLOW: Duration = Duration::from_secs(1);

/// The quota that all callers of one key share.
#[derive(Debug)]
pub struct Quota {
    max_hold: Duration,
    flight: InFlight,
    clock: ServerClock,
    /// How long a round trip takes, on the average of the last ones.
    rtt: Option<Duration>,
    /// The server named this moment.
    hold: Option<Instant>,
    counters: Vec<Counter>,
    silent: Silent,
    refusals: Refusals,
    crowd: Crowd,
}

// === impl Quota ===

impl Quota {
    /// No wait is longer than this, whatever the server says.
    pub const DEFAULT_MAX_HOLD: Duration = Duration::from_secs(3_600);

    /// What is added to each moment at which something comes back: timers and clocks are no more exact.
    pub const MARGIN: Duration = Duration::from_millis(2);

    /// A quota of which nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self {
            max_hold: Self::DEFAULT_MAX_HOLD,
            flight: InFlight::default(),
            clock: ServerClock::new(),
            rtt: None,
            hold: None,
            counters: Vec::new(),
            silent: Silent::default(),
            refusals: Refusals::default(),
            crowd: Crowd::new(0),
        }
    }

    /// No wait is longer than this, whatever the server says: when it is over, one request asks again.
    #[must_use]
    pub const fn max_hold(mut self, max_hold: Duration) -> Self {
        self.max_hold = max_hold;
        self
    }

    /// A number drawn by chance, from which others who share the limit have drawn another: it spreads what they send in time.
    #[must_use]
    pub fn chance(mut self, chance: u64) -> Self {
        self.crowd = Crowd::new(chance);
        self
    }

    /// Takes a turn if there is one.
    pub fn next_turn(&mut self, now: Instant) -> Turn {
        self.flight.expire(now);
        let view = self.view(now);
        let verdict = match self.hold {
            Some(hold) if now < hold => Verdict::At(hold),
            _ => self.ask(&view),
        };
        match self.crowd.turn(now, verdict) {
            Verdict::Go => {
                self.counters.iter_mut().for_each(|counter| counter.sent(now));
                self.silent.sent(now);
                self.crowd.sent(now);
                Turn::Now(self.flight.take(now))
            }
            Verdict::At(at) => Turn::At(
                at.min(later(now, self.max_hold)).max(later(now, Duration::from_millis(1))),
            ),
            Verdict::Answer => match self.flight.next_expiry() {
                Some(at) => Turn::AfterAnswer { or_at: at },
                None => Turn::At(later(now, Self::MARGIN)),
            },
        }
    }

    /// An answer came to a request that took this turn.
    #[allow(clippy::needless_pass_by_value, reason = "a ticket is used up")]
    pub fn on_answer(&mut self, ticket: Ticket, now: Instant, answer: &Answer) {
        let sent = ticket.sent();
        self.flight.answered(&ticket);
        self.refusals.heard(sent, now, answer.refused);
        let rtt = now.saturating_duration_since(sent).min(SLOW);
        self.rtt = Some(self.rtt.map_or(rtt, |known| (known * 7 + rtt) / 8));
        if let Some(date) = answer.date {
            self.clock.on_answer(sent, now, date);
        }
        if let Some(wait) = answer.retry_after.filter(|_| answer.refused) {
            self.hold(wait, now);
        }
        let (mut explained, mut foreign) = (false, false);
        for reading in answer.readings.iter().flatten() {
            explained |= reading.remaining == 0;
            let view = self.view(now);
            foreign |= self.read(&view, sent, answer, reading);
        }
        let heard = Heard {
            sent,
            received: now,
            retry_after: answer.retry_after.map(|wait| wait.min(self.max_hold)),
        };
        if !answer.refused {
            self.crowd.accepted(sent, now);
            if !self.crowd.is_met() {
                self.silent.accepted(&heard);
            }
            return;
        }
        if !explained && !self.crowd.is_met() {
            // A refusal with units left is another limit's, one that is not shown.
            self.silent.refused(&heard);
        }
        let foreign = if foreign { 1.0 } else { self.silent.is_at_a_loss() };
        self.crowd.refused(sent, now, foreign, answer.retry_after);
        if self.crowd.is_met() {
            self.silent = Silent::default();
        }
    }

    /// An answer came to a request that took its turn elsewhere, and says that it was counted here.
    pub fn on_answer_elsewhere(&mut self, sent: Instant, now: Instant, answer: &Answer) {
        let ticket = self.flight.take(sent);
        self.on_answer(ticket, now, answer);
    }

    /// The server takes nothing for so long, whatever the counters say.
    pub fn hold(&mut self, wait: Duration, now: Instant) {
        self.hold_until(later(now, wait.min(self.max_hold)));
    }

    pub(crate) fn hold_until(&mut self, hold: Instant) {
        self.hold = Some(self.hold.map_or(hold, |held| held.max(hold)));
    }

    pub(crate) const fn held_until(&self) -> Option<Instant> {
        self.hold
    }

    /// No answer came and none will come: nobody knows whether the server counted it.
    #[allow(clippy::needless_pass_by_value, reason = "a ticket is used up")]
    pub fn on_lost(&mut self, ticket: Ticket, now: Instant) {
        self.silent.lost(ticket.sent(), now);
        self.flight.lost(&ticket);
    }

    /// The request of this turn never left, so the server cannot have counted it: its unit is there again at once.
    #[allow(clippy::needless_pass_by_value, reason = "a ticket is used up")]
    pub fn on_unsent(&mut self, ticket: Ticket, now: Instant) {
        self.flight.unsent(&ticket);
        self.counters.iter_mut().for_each(|counter| counter.unsent(ticket.sent()));
        self.silent.unsent(now);
    }

    /// How many turns there can be at most from now to a moment, if that is certain: as long as the server keeps to what it has
    /// shown.
    ///
    /// It is for windows: those that end at a moment which the server names and has kept to, and those of a length that was found
    /// out. None for anything else: that the rate of a bucket is no higher is never known, and a limit that is not shown may be any.
    #[must_use]
    pub fn turns_before(&self, moment: Instant, now: Instant) -> Option<u64> {
        if self.hold.is_some_and(|hold| moment <= hold) {
            return Some(0);
        }
        let view = self.view(now);
        let turns = |counter: &Counter| counter.turns_before(moment, &view, &self.clock);
        self.counters.iter().filter_map(turns).min()
    }

    /// How long it is from a send to its answer, on the average of the last ones and a second at most; none before the first.
    pub(crate) const fn round_trip(&self) -> Option<Duration> {
        self.rtt
    }

    /// What is known now.
    #[must_use]
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let view = self.view(now);
        let tightest =
            self.counters.iter().map(|counter| (counter.left(&view, &self.clock), counter.kind()));
        let tightest = tightest.min_by_key(|((_, left, _), _)| *left);
        let held = self.hold.filter(|hold| *hold > now);
        let (kind, limit, remaining, at) = match tightest {
            Some(((limit, left, at), kind)) => (kind, Some(limit), Some(left), Some(at)),
            None => (self.silent.kind(), self.silent.limit(), None, None),
        };
        let reset = held.or(at).map(|at| at.saturating_duration_since(now));
        Snapshot { kind, limit, remaining, reset, in_flight: view.out + view.settled }
    }

    fn ask(&mut self, view: &View) -> Verdict {
        let mut verdict = match self.silent.kind() {
            // A pace of its own is guard enough.
            _ if self.crowd.is_met() => Verdict::Go,
            // While probes are spaced out anyway, and before anything was refused, there is nothing to guard.
            Kind::Learning if self.counters.is_empty() => return self.silent.turn(view),
            Kind::Unknown if !self.counters.is_empty() => self.refusals.turn(view),
            _ => self.refusals.turn(view).and(self.silent.turn(view)),
        };
        for counter in &mut self.counters {
            verdict = verdict.and(counter.turn(view, &self.clock));
            if counter.has_turned_over() {
                self.flight.turn_over(view.now);
            }
        }
        verdict
    }

    fn read(&mut self, view: &View, sent: Instant, answer: &Answer, reading: &Reading) -> bool {
        let reading = match (reading.reset, answer.date) {
            // Without a date only the client's own clock can tell how long it is, which the caller has done.
            (Some(Reset::At(_)), None) => &Reading { reset: None, ..*reading },
            _ => reading,
        };
        if !self.counters.iter().any(|counter| counter.name == reading.name) {
            if self.counters.len() >= MAX_READINGS {
                let oldest =
                    self.counters.iter().enumerate().min_by_key(|(_, counter)| counter.received());
                let oldest = oldest.map_or(0, |(at, _)| at);
                self.counters.swap_remove(oldest);
            }
            self.counters.push(Counter::new(reading, view));
        }
        let counter = self.counters.iter_mut().find(|counter| counter.name == reading.name);
        counter.is_some_and(|counter| {
            counter.read(view, sent, answer.refused, answer.date, reading, &mut self.clock)
        })
    }

    fn view(&self, now: Instant) -> View {
        View {
            now,
            out: self.flight.count(),
            awaited: self.flight.awaited(),
            hanging: self.flight.hanging(),
            settled: self.flight.settled(),
            rtt: self.rtt.unwrap_or(SLOW),
            margin: Self::MARGIN,
            max_hold: self.max_hold,
        }
    }
}

impl Default for Quota {
    fn default() -> Self {
        Self::new()
    }
}
