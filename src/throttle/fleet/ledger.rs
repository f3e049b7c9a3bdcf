//! The quota of a fleet: a pure function of its state, the time of the store, and one question.

use super::{
    ask::{Ask, Grant, Learned, Lot, Nanos, Role, SECOND, Seen},
    rate::Rate,
    window::Window,
};

/// How often a process asks. A fleet of more than a hundred asks less often each, so that the store answers 100 questions a second at
/// most, whatever the number of processes.
const ROUND: Nanos = SECOND;
const PER_ASKER: Nanos = SECOND / 100;

/// No fleet has more processes.
const MOST_ASKERS: u32 = 10_000;

/// The learner's role ends unless it is renewed.
const LEARNER_FOR: Nanos = 3 * SECOND / 2;

/// A model under which nothing was accepted for so long is forgotten: whoever wrote it, and whatever it says.
const FORGOTTEN_AFTER: Nanos = 120 * SECOND;

/// So many counters in a row may contradict the end of the window: then it is no such window.
const MOST_ODD: u32 = 8;

/// A model is not learned anew more often than this.
const LEARNED_FOR: Nanos = 10 * SECOND;

/// No permit is granted further ahead: callers do not wait longer.
pub(super) const FURTHEST: Nanos = 60 * SECOND;

/// The state of a quota, as the store keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ledger {
    /// Raised whenever the model is another: permits of an earlier one are void.
    pub(super) generation: u64,
    pub(super) model: Model,
    /// When a request was last accepted, and when the model was last learned.
    pub(super) confirmed: Nanos,
    pub(super) learned: Nanos,
    pub(super) round: Round,
}

/// What is known of the server's limiter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Model {
    /// Nothing: one process learns, the others wait. `want` is what it has to send: one that has much more takes its place.
    New {
        learner: u64,
        until: Nanos,
        want: u32,
    },
    /// There is no limit.
    Open,
    Window(Window),
    Rate(Rate),
}

/// The time in which each process asks about once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Round {
    pub(super) number: u64,
    pub(super) began: Nanos,
    /// The processes that asked in this round, and in the last one.
    pub(super) askers: u32,
    pub(super) last_askers: u32,
    pub(super) granted: u32,
    pub(super) denied: u32,
    pub(super) accepted: u32,
    pub(super) rejected: u32,
    /// How much more than its equal part a process gets, in hundredths: others want less than theirs.
    pub(super) boost: u32,
}

/// What a kind of limiter may know when it grants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) now: Nanos,
    pub(super) want: u32,
    pub(super) askers: u32,
    /// How long a round is.
    pub(super) round: Nanos,
    pub(super) boost: f64,
}

// === impl Ledger ===

impl Ledger {
    /// A ledger that knows nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            generation: 0,
            model: Model::New { learner: 0, until: 0, want: 0 },
            confirmed: 0,
            learned: 0,
            round: Round { boost: 100, ..Round::default() },
        }
    }

    /// The state of a store that was emptied, by one that was seen at `since`: nobody learns anew.
    #[must_use]
    pub fn revived(mut self, since: Nanos, now: Nanos) -> Self {
        self.mend(now);
        // Nobody has permits for longer, unless there are more processes than permits.
        let span = now.saturating_sub(since).min(self.round.len() * 3 / 2);
        match &mut self.model {
            Model::Window(window) => window.pass(span),
            Model::Rate(rate) => rate.pass(now, span),
            Model::New { .. } | Model::Open => {}
        }
        self
    }

    /// Up to when all permits are granted.
    pub(super) fn granted_until(&self, now: Nanos) -> Nanos {
        match &self.model {
            Model::Window(window) => window.granted_until(now),
            Model::Rate(rate) => rate.next.max(now),
            Model::New { .. } | Model::Open => now,
        }
    }

    /// Answers one question. `now` is the time of the store, of which only differences count.
    pub fn ask(&mut self, now: Nanos, ask: &Ask) -> Grant {
        self.mend(now);
        self.hear(now, ask);
        let role = self.role(now, ask);
        let mut grant = Grant {
            now,
            generation: self.generation,
            round: self.round.number,
            role,
            lots: Vec::new(),
            is_short: false,
            again: (ROUND, ROUND + ROUND / 2),
        };
        let len = self.round.len();
        match role {
            Role::Learner => grant.again = (LEARNER_FOR / 3, LEARNER_FOR / 3),
            Role::Waits => grant.again = self.round.waits(),
            Role::Free => grant.again = (4 * len, 6 * len),
            Role::Shares => self.grant(now, ask, &mut grant),
        }
        grant
    }

    /// Repairs what cannot be: a state that was damaged, and a store whose clock was set back.
    fn mend(&mut self, now: Nanos) {
        let round = &mut self.round;
        round.boost = round.boost.clamp(100, 10_000);
        round.askers = round.askers.min(MOST_ASKERS);
        round.last_askers = round.last_askers.min(MOST_ASKERS);
        let latest = now.saturating_add(SECOND);
        if self.confirmed > latest || self.learned > latest || self.round.began > latest {
            *self = Self { generation: self.generation, ..Self::new() };
        }
        let is_sane = match &mut self.model {
            Model::New { until, .. } => {
                *until = (*until).min(now.saturating_add(LEARNER_FOR));
                true
            }
            Model::Open => true,
            Model::Window(window) => window.advance(now),
            Model::Rate(rate) => rate.is_sane(now),
        };
        if !is_sane {
            self.forget();
        }
    }

    /// Counts what the asker tells.
    fn hear(&mut self, now: Nanos, ask: &Ask) {
        if matches!(self.model, Model::New { .. }) {
            return;
        }
        if now >= self.round.began.saturating_add(self.round.len()) {
            self.end_round(now);
        }
        if ask.round != self.round.number {
            self.round.askers = self.round.askers.saturating_add(1);
        }
        if ask.generation != self.generation {
            return;
        }
        if ask.accepted > 0 {
            self.confirmed = self.confirmed.max(now);
        }
        self.round.accepted = self.round.accepted.saturating_add(ask.accepted);
        self.round.rejected = self.round.rejected.saturating_add(ask.rejected);
        match &mut self.model {
            Model::Window(window) => {
                window.take_back(&ask.back);
                if let Some(seen) = &ask.seen {
                    window.hear(seen, ask.rejected);
                }
                if window.odd > MOST_ODD {
                    self.forget();
                }
            }
            Model::Rate(rate) => rate.hear(now, ask),
            // Somebody has seen a limit.
            Model::Open if ask.rejected > 0 || ask.seen.is_some() => self.forget(),
            Model::New { .. } | Model::Open => {}
        }
    }

    fn end_round(&mut self, now: Nanos) {
        let Round { accepted, rejected, .. } = self.round;
        let len = self.round.len();
        let passed = now.saturating_sub(self.round.began);
        // Most of what was granted is rejected: the model is wrong.
        let is_wrong = rejected > 4 && rejected > accepted;
        let is_stale =
            self.round.denied > 0 && now.saturating_sub(self.confirmed) > FORGOTTEN_AFTER;
        if is_stale || is_wrong && now.saturating_sub(self.learned) > LEARNED_FOR {
            self.forget();
        }
        let mut spare = 0;
        match &mut self.model {
            Model::Window(window) => spare = window.end_round(&self.round, passed.max(1)),
            Model::Rate(rate) => {
                let age = now.saturating_sub(self.learned);
                spare = rate.end_round(now, age, &self.round, passed.max(1));
            }
            Model::New { .. } | Model::Open => {}
        }
        self.round.level(spare);
        let is_next = passed < 2 * len;
        self.round = Round {
            number: self.round.number.wrapping_add(1),
            began: now,
            // A process may ask a bit less often than once a round.
            last_askers: if is_next {
                self.round.askers.max(self.round.last_askers * 9 / 10)
            } else {
                0
            },
            boost: if is_next { self.round.boost } else { 100 },
            ..Round::default()
        };
    }

    /// The role of an asker, after what it has learned.
    fn role(&mut self, now: Nanos, ask: &Ask) -> Role {
        let Model::New { learner, until, want } = self.model else { return self.role_by_model() };
        let has_more = ask.want / 2 > want;
        if learner != ask.asker && now < until && !has_more {
            return Role::Waits;
        }
        let is_it = learner == ask.asker && ask.generation == self.generation;
        let Some(found) = ask.learned.filter(|_| is_it) else {
            // One that has nothing to send learns nothing.
            let span = if ask.want == 0 { 0 } else { LEARNER_FOR };
            let until = now.saturating_add(span);
            self.model = Model::New { learner: ask.asker, until, want: ask.want };
            return Role::Learner;
        };
        let model = match found {
            Learned::Open => Some(Model::Open),
            Learned::Window { .. } => Window::new(now, &found).map(Model::Window),
            Learned::Rate { .. } => Rate::new(now, &found).map(Model::Rate),
        };
        if let Some(model) = model {
            self.model = model;
            self.generation = self.generation.wrapping_add(1);
            (self.confirmed, self.learned) = (now, now);
            self.round = Round {
                boost: 100,
                began: now,
                number: self.round.number.wrapping_add(1),
                ..self.round
            };
        }
        self.role_by_model()
    }

    const fn role_by_model(&self) -> Role {
        match self.model {
            Model::New { .. } => Role::Learner,
            Model::Open => Role::Free,
            Model::Window(_) | Model::Rate(_) => Role::Shares,
        }
    }

    fn grant(&mut self, now: Nanos, ask: &Ask, grant: &mut Grant) {
        let terms = Terms {
            now,
            want: ask.want,
            askers: self.round.askers.max(self.round.last_askers).max(1),
            round: self.round.len(),
            boost: f64::from(self.round.boost) / 100.0,
        };
        match &mut self.model {
            Model::Window(window) => window.grant(&terms, grant),
            Model::Rate(rate) => rate.grant(&terms, grant),
            Model::New { .. } | Model::Open => {}
        }
        let granted = grant.lots.iter().map(|lot| lot.count).sum::<u32>();
        self.round.granted = self.round.granted.saturating_add(granted);
        self.round.denied = self.round.denied.saturating_add(ask.want.saturating_sub(granted));
        grant.is_short = self.round.denied > 0;
        grant.generation = self.generation;
    }

    /// Forgets the model: one process learns anew.
    fn forget(&mut self) {
        self.model = Model::New { learner: 0, until: 0, want: 0 };
        self.generation = self.generation.wrapping_add(1);
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Round ===

impl Round {
    pub(super) fn len(&self) -> Nanos {
        ROUND.max(u64::from(self.askers.max(self.last_askers)) * PER_ASKER)
    }

    /// When the processes that wait for the learner ask again.
    fn waits(&self) -> (Nanos, Nanos) {
        let least = (ROUND / 8).max(self.len() / 8);
        (least, 2 * least)
    }

    /// Levels the parts: if some were denied and others left a part of theirs, each may have more.
    fn level(&mut self, spare: u32) {
        let (granted, spare) = (f64::from(self.granted.max(1)), f64::from(spare));
        let is_left = self.denied > 0 && spare > granted * 0.03;
        let factor = if is_left { (1.0 + spare / granted).min(2.0) } else { 0.95 };
        self.boost = ((f64::from(self.boost) * factor) as u32).clamp(100, 10_000);
    }
}

impl Terms {
    /// An asker's part of so many: at least one, so that whoever asks first has a permit where there are more processes than permits.
    pub(super) fn part(&self, of: f64) -> u32 {
        let part = (of * self.boost / f64::from(self.askers)).ceil();
        (part.max(1.0) as u32).min(self.want)
    }
}

/// A lot, unless it is empty.
pub(super) fn push(lots: &mut Vec<Lot>, lot: Lot) {
    if lot.count > 0 {
        lots.push(lot);
    }
}

/// Whether a counter is one that can be.
pub(super) const fn is_counter(seen: &Seen) -> bool {
    seen.limit > 0
}
