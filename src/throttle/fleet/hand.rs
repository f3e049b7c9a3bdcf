//! The permits at hand in one process, and when it asks for more.

use std::{
    collections::VecDeque,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{
    ask::{Ask, Grant, Learned, Lot, Nanos, Role, Seen},
    clock::{StoreClock, nanos},
    ledger::Ledger,
    share::{Granted, Share},
};
use crate::{
    headers::ServerClock,
    throttle::limiter::{Knowledge, Observation, Reset},
};

/// The shortest time between two questions.
const APART: Duration = Duration::from_millis(100);

/// Permits that are not used for so long go back, if others need them.
const UNUSED_FOR: Duration = Duration::from_millis(50);

/// A store that did not reply is asked again after this time; from the second time on the process sends by its share.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const FAILURES: u32 = 2;

/// A permit in a row may be used so much later than its moment: then it lapses, unless the bucket saves it.
const LAG: Duration = Duration::from_millis(100);

/// How long the learner measures a bucket.
const MEASURED_FOR: Duration = Duration::from_millis(1_500);

/// The most lots at hand.
const MAX_LOTS: usize = 128;

/// A process of a fleet: the permits at hand for one quota.
#[derive(Debug)]
pub struct Hand {
    asker: u64,
    role: Role,
    lots: VecDeque<Held>,
    /// Up to when there have been permits at hand, used or not.
    supplied: Option<Instant>,
    /// What it is granted, on average.
    granted: Granted,
    store: Option<StoreClock>,
    generation: u64,
    round: u64,
    is_short: bool,
    /// Whether the last answer was all that was asked for: then there may be more.
    is_satisfied: bool,
    /// When the next question is due.
    again: Option<Instant>,
    asked: Option<Instant>,
    is_asking: bool,
    failures: u32,
    /// When the first of these questions was asked.
    failed: Option<Instant>,
    /// Times in a row that too many others asked.
    busy: u32,
    share: Option<Share>,
    remembered: Option<Ledger>,
    /// For the metrics: permits that were taken, and those that were not used in time.
    counts: (u32, u32),
    // Since the last question:
    used: u32,
    last_used: Option<Instant>,
    accepted: u32,
    rejected: u32,
    seen: Option<Shown>,
    clock: ServerClock,
    /// Since when it is the learner, and how many requests were accepted since then.
    taught: Option<(Instant, u32)>,
    /// The learner's measurement of a bucket.
    bucket: Option<Begun>,
    /// The longest round trip lately.
    trip: Duration,
}

/// A lot, in the process' own time.
#[derive(Clone, Copy, Debug)]
struct Held {
    window: u64,
    count: u32,
    next: Instant,
    until: Instant,
    every: Duration,
}

/// Since when a bucket is known; since when it is empty, and how many requests were accepted since then.
#[derive(Clone, Copy, Debug)]
struct Begun {
    known: Instant,
    emptied: Option<(Instant, u32)>,
}

/// The newest counter that was shown.
#[derive(Clone, Copy, Debug)]
struct Shown {
    limit: u32,
    left: u32,
    reset: Option<SystemTime>,
}

/// What became of permits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Used, as the ledger granted them.
    pub used: u32,
    /// Used without the store.
    pub by_share: u32,
    /// Not used in time.
    pub lapsed: u32,
}

/// Whether there is a permit at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// It is taken.
    Now,
    /// The next one is good at this moment.
    At(Instant),
    /// There is none: a grant may bring one.
    None,
    /// The process' own quota decides.
    Own,
}

// === impl Hand ===

impl Hand {
    /// A process that has not asked yet; `asker` is drawn at random.
    #[must_use]
    pub fn new(asker: u64) -> Self {
        Self {
            asker,
            role: Role::Waits,
            lots: VecDeque::new(),
            supplied: None,
            granted: Granted::default(),
            store: None,
            generation: 0,
            round: 0,
            is_short: false,
            is_satisfied: true,
            again: None,
            asked: None,
            is_asking: false,
            failures: 0,
            failed: None,
            busy: 0,
            share: None,
            remembered: None,
            counts: (0, 0),
            used: 0,
            last_used: None,
            accepted: 0,
            rejected: 0,
            seen: None,
            clock: ServerClock::new(),
            taught: None,
            bucket: None,
            trip: Duration::ZERO,
        }
    }

    /// Takes a permit.
    #[inline]
    pub fn take(&mut self, now: Instant) -> Take {
        match self.role {
            Role::Shares => {}
            Role::Learner | Role::Free => return Take::Own,
            Role::Waits => return Take::None,
        }
        while let Some(lot) = self.lots.front_mut() {
            if lot.count == 0 || now > lot.until {
                self.counts.1 = self.counts.1.saturating_add(lot.count);
                self.lots.pop_front();
                continue;
            }
            if now < lot.next {
                return Take::At(lot.next);
            }
            lot.count -= 1;
            if !lot.every.is_zero() {
                lot.next = lot.next.max(now.checked_sub(LAG).unwrap_or(now)) + lot.every;
            }
            self.used = self.used.saturating_add(1);
            self.counts.0 = self.counts.0.saturating_add(1);
            self.last_used = Some(now);
            return Take::Now;
        }
        Take::None
    }

    /// A permit that was taken is not needed.
    pub fn put_back(&mut self) {
        self.used = self.used.saturating_sub(1);
        self.counts.0 = self.counts.0.saturating_sub(1);
        if let Some(lot) = self.lots.front_mut() {
            lot.count += 1;
        }
    }

    /// A response to a request with a permit.
    #[inline]
    pub fn on_response(&mut self, sent: Instant, now: Instant, seen: &Observation) {
        let took = now.saturating_duration_since(sent);
        self.trip = (self.trip - self.trip / 64).max(took.min(APART * 3));
        match seen.is_rejection() {
            true => self.rejected = self.rejected.saturating_add(1),
            false => {
                self.accepted = self.accepted.saturating_add(1);
                self.taught
                    .iter_mut()
                    .for_each(|(_, accepted)| *accepted = accepted.saturating_add(1));
                let emptied = self.bucket.as_mut().and_then(|begun| begun.emptied.as_mut());
                if let Some((_, accepted)) = emptied.filter(|(since, _)| now >= *since) {
                    *accepted = accepted.saturating_add(1);
                }
            }
        }
        if let Some(date) = seen.date {
            self.clock.on_response(sent, now, date);
        }
        let readings = seen.readings.iter().flatten();
        let Some(shown) = readings.min_by_key(|shown| shown.remaining) else { return };
        let limit = shown.limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(0);
        let left = u32::try_from(shown.remaining).unwrap_or(u32::MAX);
        let reset = match shown.reset {
            Some(Reset::At(at)) if seen.date.is_some() => {
                self.clock.not_reached(at, sent);
                Some(at)
            }
            _ => None,
        };
        self.seen = match self.seen {
            Some(known) if known.reset > reset => Some(known),
            Some(known) if known.reset == reset => {
                Some(Shown { left: left.min(known.left), ..known })
            }
            _ => Some(Shown { limit, left, reset }),
        };
    }

    /// When a question is due, with so many requests queued. `None` if none is, until something happens.
    #[must_use]
    pub fn due(&self, now: Instant, queued: usize) -> Option<Instant> {
        if self.is_asking {
            return None;
        }
        let Some(asked) = self.asked else { return (queued > 0).then_some(now) };
        let again = self.again.unwrap_or(now);
        let soon = asked + APART;
        if self.failures > 0 {
            return (queued > 0 || self.used > 0).then_some(again);
        }
        match self.role {
            // One that has nothing to send lets the role go.
            Role::Learner => {
                (queued > 0 || self.accepted > 0 || self.rejected > 0).then_some(again)
            }
            Role::Waits => (queued > 0).then_some(again),
            Role::Free => {
                if self.rejected > 0 || self.seen.is_some() {
                    return Some(soon);
                }
                (self.used > 0 || self.accepted > 0).then_some(again)
            }
            Role::Shares => {
                let held = self.held(now);
                if self.rejected > 0 {
                    // News that the others need.
                    return Some(again.min(asked + 10 * APART));
                }
                if queued > 0 && held == 0 && self.is_satisfied {
                    return Some(again.min(soon));
                }
                if queued > 0 || self.used > 0 {
                    return Some(again);
                }
                let idle = self.last_used.unwrap_or(asked) + UNUSED_FOR;
                (held > 0 && self.is_short)
                    .then(|| idle.max(asked + 5 * APART).min(again.max(idle)))
            }
        }
    }

    /// The question, with so many requests queued. Its answer goes to [`on_grant`](Self::on_grant) or [`on_failure`](Self::on_failure).
    pub fn ask(&mut self, now: Instant, queued: usize, knowledge: Option<Knowledge>) -> Ask {
        let held = self.held(now);
        let is_idle = queued == 0 && self.used == 0;
        let used = match self.role {
            Role::Shares => self.used,
            Role::Learner | Role::Free | Role::Waits => self.accepted.saturating_add(self.rejected),
        };
        let need = u32::try_from(queued).unwrap_or(u32::MAX).saturating_add(used);
        let back = if is_idle && self.role == Role::Shares { self.give_back() } else { Vec::new() };
        self.asked = Some(now);
        self.is_asking = true;
        if self.share.is_some() {
            // Those are due to the shares.
            self.rejected = 0;
        }
        let seen = self.seen.take().map(|shown| Seen {
            limit: shown.limit,
            left: shown.left,
            end: shown
                .reset
                .and_then(|reset| self.clock.when(reset))
                .and_then(|end| Some(self.store?.stored((end.0.into(), end.1.into())))),
        });
        Ask {
            asker: self.asker,
            generation: self.generation,
            round: self.round,
            want: need.saturating_sub(held),
            accepted: std::mem::take(&mut self.accepted),
            rejected: std::mem::take(&mut self.rejected),
            seen,
            back,
            learned: knowledge.and_then(|knowledge| self.learned(now, knowledge)),
        }
    }

    /// Whether a question would end the learning.
    #[must_use]
    pub fn knows(&mut self, now: Instant, knowledge: Option<Knowledge>) -> bool {
        !self.is_asking && knowledge.and_then(|knowledge| self.learned(now, knowledge)).is_some()
    }

    /// The ledger as the store had it last, and when by the store's time.
    #[must_use]
    pub fn remembered(&self) -> Option<(Ledger, Nanos)> {
        Some((self.remembered.clone()?, self.store?.replied()))
    }

    /// The answer to a question that was sent at `sent`. `chance` is drawn from 0 to 1.
    pub fn on_grant(
        &mut self,
        grant: &Grant,
        ledger: Ledger,
        ask: &Ask,
        sent: Instant,
        now: Instant,
        chance: f64,
    ) {
        self.is_asking = false;
        (self.failures, self.busy) = (0, 0);
        self.used = 0;
        if self.share.take().is_some()
            || grant.generation != self.generation
            || grant.role != self.role
        {
            self.counts.1 =
                self.counts.1.saturating_add(self.lots.iter().map(|lot| lot.count).sum());
            self.lots.clear();
        }
        self.store = Some(StoreClock::new(grant.now, sent, now));
        self.remembered = Some(ledger);
        self.taught = match grant.role {
            Role::Learner => self.taught.or(Some((now, 0))),
            _ => None,
        };
        (self.role, self.generation, self.round) = (grant.role, grant.generation, grant.round);
        let granted = grant.lots.iter().map(|lot| lot.count).sum::<u32>();
        self.is_short = grant.is_short;
        self.is_satisfied = granted >= ask.want;
        self.granted.add(now, granted);
        let span = grant.again.1.saturating_sub(grant.again.0) as f64 * chance;
        self.again = Some(now + Duration::from_nanos(grant.again.0.saturating_add(span as u64)));
        for lot in &grant.lots {
            self.hold(lot);
        }
    }

    /// Too many others asked at the same time.
    pub fn on_busy(&mut self, ask: &Ask, now: Instant, chance: f64) {
        self.is_asking = false;
        self.busy = (self.busy + 1).min(5);
        self.recall(ask);
        self.again = Some(now + (APART * (1 << self.busy)).mul_f64(0.5 + chance));
        self.is_satisfied = false;
    }

    /// The store did not reply in time. What was asked is asked again.
    pub fn on_failure(&mut self, ask: &Ask, now: Instant, chance: f64) {
        self.is_asking = false;
        self.failures = self.failures.saturating_add(1);
        self.recall(ask);
        if self.failures == 1 {
            self.failed = self.asked;
        }
        let wait = if self.failures < FAILURES { APART } else { AGAIN_AFTER };
        self.again = Some(now + wait.mul_f64(0.8 + 0.4 * chance));
        if self.failures < FAILURES {
            return;
        }
        let Some(store) = self.store else {
            // It was never there.
            self.role = Role::Free;
            return;
        };
        let store_now = store.now(now);
        if self.share.is_none() {
            let held = self.supplied.map_or(store_now, |until| store.now(until));
            let failed = self.failed.unwrap_or(now);
            let granted = self.granted.per_second(failed);
            self.share = self.remembered.clone().map(|ledger| {
                Share::new(ledger, store.replied(), store.now(failed), held, granted)
            });
        }
        let rejected = std::mem::take(&mut self.rejected);
        let lots = match &mut self.share {
            Some(share) => share.lots(store_now, 3 * nanos(AGAIN_AFTER) / 2, rejected, chance),
            None => None,
        };
        match lots {
            Some(lots) => {
                self.role = Role::Shares;
                lots.iter().for_each(|lot| self.hold(lot));
            }
            None => self.role = Role::Free,
        }
    }

    /// A question was dropped without an answer.
    pub fn abandon(&mut self) {
        self.is_asking = false;
    }

    /// Whether the process' own quota decides.
    #[must_use]
    pub fn is_own(&self) -> bool {
        matches!(self.role, Role::Learner | Role::Free)
    }

    /// Whether the process sends by its share, without the store.
    #[must_use]
    pub const fn is_alone(&self) -> bool {
        self.failures >= FAILURES
    }

    /// The permits that were used, and those that lapsed, since the last time.
    pub fn take_counts(&mut self) -> Counts {
        let (taken, lapsed) = std::mem::take(&mut self.counts);
        match self.share {
            Some(_) => Counts { by_share: taken, lapsed, ..Counts::default() },
            None => Counts { used: taken, lapsed, ..Counts::default() },
        }
    }

    /// What the process does.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The permits at hand, those of later windows included.
    #[must_use]
    pub fn held(&self, now: Instant) -> u32 {
        self.lots.iter().filter(|lot| lot.until >= now).map(|lot| lot.count).sum()
    }

    fn hold(&mut self, lot: &Lot) {
        let Some(store) = self.store else { return };
        let (Some(next), Some(until)) = (store.late(lot.from), store.early(lot.until)) else {
            return;
        };
        // A request of a window arrives in it.
        let until =
            if lot.window > 0 { until.checked_sub(self.trip).unwrap_or(until) } else { until };
        self.supplied = self.supplied.max(Some(until));
        if self.lots.len() < MAX_LOTS && until > next {
            let every = Duration::from_nanos(lot.every);
            self.lots.push_back(Held { window: lot.window, count: lot.count, next, until, every });
        }
    }

    /// What was told in vain is told again.
    fn recall(&mut self, ask: &Ask) {
        self.accepted = self.accepted.saturating_add(ask.accepted);
        self.rejected = self.rejected.saturating_add(ask.rejected);
    }

    fn give_back(&mut self) -> Vec<(u64, u32)> {
        let lots = std::mem::take(&mut self.lots);
        self.granted.take_back(lots.iter().map(|lot| lot.count).sum());
        lots.into_iter().filter(|lot| lot.count > 0).map(|lot| (lot.window, lot.count)).collect()
    }

    /// What this process has learned, in the time of the store; `None` if it is not certain yet.
    fn learned(&mut self, now: Instant, knowledge: Knowledge) -> Option<Learned> {
        let narrow = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        match knowledge {
            Knowledge::Open => Some(Learned::Open),
            Knowledge::Window { limit, left, length, end } => {
                let (earliest, latest) = end;
                let width = latest.saturating_duration_since(earliest);
                let rest = earliest.saturating_duration_since(now);
                let is_certain = match length {
                    Some(length) => width * 4 <= length,
                    None => width * 5 <= rest,
                };
                let end = self.store?.stored(end);
                if !is_certain || left >= limit {
                    return None;
                }
                let period = length.map(nanos);
                Some(Learned::Window { limit: narrow(limit), left: narrow(left), period, end })
            }
            Knowledge::Rate { limit: Some(limit), per_second, left: Some(left) } => {
                // A bucket's first rate is from a reset in whole seconds. What comes in once it is empty says it better.
                let begun = self.bucket.get_or_insert(Begun { known: now, emptied: None });
                let measured = match begun.emptied {
                    Some((at, accepted)) => {
                        let span =
                            now.checked_duration_since(at).filter(|span| *span >= MEASURED_FOR)?;
                        f64::from(accepted.saturating_sub(1)) / span.as_secs_f64()
                    }
                    None if left == 0 => {
                        begun.emptied = Some((now + MEASURED_FOR / 4, 0));
                        return None;
                    }
                    None if now.saturating_duration_since(begun.known) < 2 * MEASURED_FOR => {
                        return None;
                    }
                    None => 0.0,
                };
                let per_second = per_second.max(measured);
                let every = (1e9 / per_second.max(1e-4)) as Nanos;
                Some(Learned::Rate { every, burst: narrow(limit).max(1), left: narrow(left) })
            }
            Knowledge::Rate { limit, per_second, left } => {
                // The server has shown that it accepts more, perhaps.
                let shown = self.taught.map_or(0.0, |(since, accepted)| {
                    let span = now.saturating_duration_since(since).max(MEASURED_FOR);
                    f64::from(accepted) / span.as_secs_f64() * 0.8
                });
                let every = (1e9 / per_second.max(shown).max(1e-4)) as Nanos;
                let burst = limit.map_or(1, narrow).max(1);
                Some(Learned::Rate { every, burst, left: narrow(left.unwrap_or(0)) })
            }
        }
    }
}
