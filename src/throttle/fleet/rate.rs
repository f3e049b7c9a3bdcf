//! An even rate: buckets, and what no header shows.

use super::{
    ask::{Ask, Grant, Learned, Lot, Nanos, SECOND},
    ledger::{FURTHEST, Round, Terms, is_counter, push},
};

/// No rate is lower or higher: one in ten minutes, a million a second.
const SLOWEST: Nanos = 600 * SECOND;
const FASTEST: Nanos = SECOND / 1_000_000;

/// Without a counter the rate grows by so much in each quiet round, and twice as much after so many of them, up to the most.
const GROWTH: f64 = 0.002;
const DOUBLES: u32 = 4;
const MOST_GROWTH: f64 = 0.08;

/// With a counter it follows what is left over, and a bucket's rate what has come in, by this part; within these bounds.
const FOLLOWS: f64 = 0.2;
const FOLLOWS_BUCKET: f64 = 0.5;
const LOWERED: f64 = -0.1;
const RAISED: f64 = 0.5;

/// For so long after a model was learned, rejections may be due to what the learner has sent.
const YOUNG: Nanos = 3 * SECOND;

/// The rate does not fall below this part of what was learned: if that is too high, it is learned anew.
const SLOWED: u64 = 4;

/// Requests overtake each other by about this much.
const JITTER: Nanos = SECOND / 10;

/// An even rate.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rate {
    /// The time of one permit, and the same as it was learned.
    pub(super) every: Nanos,
    pub(super) learned: Nanos,
    /// How many can be saved up.
    pub(super) burst: u32,
    /// When the next permit is good.
    pub(super) next: Nanos,
    pub(super) quiet: u32,
    /// When it is looked again at what is left over.
    pub(super) look: Nanos,
    /// When it was last looked at, what was left then, and what was accepted since.
    pub(super) mark: Option<(Nanos, u32)>,
    pub(super) accepted: u32,
    /// Permits that nobody wanted.
    pub(super) spare: u32,
    /// The least that was left in this round.
    pub(super) left: Option<u32>,
}

// === impl Rate ===

impl Rate {
    pub(super) fn new(now: Nanos, found: &Learned) -> Option<Self> {
        let Learned::Rate { every, burst, left } = *found else { return None };
        let mut rate = Self {
            every,
            learned: every,
            burst: burst.max(1),
            next: now,
            quiet: DOUBLES * 4,
            look: 0,
            mark: None,
            accepted: 0,
            spare: 0,
            left: None,
        };
        let free = left.saturating_sub(rate.cushion());
        rate.next = now.saturating_sub(u64::from(free).saturating_mul(every));
        if free == 0 {
            rate.next = now.saturating_add(every);
        }
        rate.is_sane(now).then_some(rate)
    }

    pub(super) fn is_sane(&mut self, now: Nanos) -> bool {
        if !(FASTEST..=SLOWEST).contains(&self.every) || self.learned == 0 || self.burst == 0 {
            return false;
        }
        self.every = self.every.min(self.learned.saturating_mul(SLOWED)).clamp(FASTEST, SLOWEST);
        // What was not used is saved up, as far as the bucket goes.
        let saved = u64::from(self.burst.saturating_sub(self.cushion()).max(1) - 1);
        let first = now.saturating_sub(saved.saturating_mul(self.every));
        let spare = first.saturating_sub(self.next) / self.every;
        self.spare = self.spare.saturating_add(u32::try_from(spare).unwrap_or(u32::MAX));
        self.next = self.next.max(first);
        self.look = self.look.min(now.saturating_add(2 * FURTHEST));
        self.next <= now.saturating_add(2 * FURTHEST).saturating_add(self.every)
    }

    /// So many are left at the server, for requests that overtake each other.
    fn cushion(&self) -> u32 {
        let cushion = (JITTER as f64 / self.every.max(1) as f64).sqrt().round().max(1.0) as u32;
        if self.burst > 1 { (cushion + 1).min(self.burst / 4) } else { cushion }
    }

    /// What others were granted since this state was seen, as far as they took all there is.
    pub(super) fn pass(&mut self, now: Nanos, span: Nanos) {
        self.next = self.next.max(now.saturating_sub(span)).saturating_add(span);
    }

    pub(super) fn hear(&mut self, now: Nanos, ask: &Ask) {
        for (_, count) in &ask.back {
            let by = u64::from(*count).saturating_mul(self.every);
            self.next = self.next.saturating_sub(by).max(now.saturating_sub(by));
        }
        if ask.rejected > 0 {
            // There was no permit for it, and none is there for a while.
            let by = u64::from(ask.rejected).saturating_add(1).saturating_mul(self.every);
            self.next = self.next.saturating_add(by.min(SECOND / 4));
        }
        if let Some(seen) = ask.seen.filter(is_counter) {
            self.left = Some(self.left.map_or(seen.left, |left| left.min(seen.left)));
        }
    }

    /// Returns how many permits nobody wanted.
    pub(super) fn end_round(
        &mut self,
        now: Nanos,
        age: Nanos,
        round: &Round,
        passed: Nanos,
    ) -> u32 {
        let capacity = passed as f64 / self.every as f64;
        let (accepted, rejected) = (f64::from(round.accepted), f64::from(round.rejected));
        let left = self.left.take();
        self.accepted = self.accepted.saturating_add(round.accepted);
        let growth = if rejected > 0.0 && age < YOUNG {
            0.0
        } else if rejected > 0.0 {
            self.quiet = 0;
            -(rejected / (2.0 * (accepted + rejected))).min(0.2)
        } else {
            self.quiet = self.quiet.saturating_add(1);
            let shown = left.map(|left| self.follow(now, left, passed).clamp(LOWERED, RAISED));
            let tried = if accepted > capacity * 0.8 {
                (GROWTH * f64::from(1_u32 << (self.quiet / DOUBLES).min(8))).min(MOST_GROWTH)
            } else {
                0.0
            };
            match shown {
                Some(shown) if self.burst > 1 => shown,
                Some(shown) => shown.max(tried),
                None => tried,
            }
        };
        self.every = ((self.every as f64 / (1.0 + growth)) as Nanos).max(1);
        self.is_sane(now);
        std::mem::take(&mut self.spare)
    }

    /// By how much the rate is too low, once all permits that were granted when it was last looked at are used.
    fn follow(&mut self, now: Nanos, left: u32, round: Nanos) -> f64 {
        if now < self.look {
            return 0.0;
        }
        let more = f64::from(left) - f64::from(self.cushion());
        let span = self.next.saturating_sub(now).saturating_add(2 * round);
        let before = self.mark.replace((now, left));
        let accepted = f64::from(std::mem::take(&mut self.accepted));
        self.look = now.saturating_add(span);
        if self.burst <= 1 {
            return more * self.every as f64 / round as f64 * FOLLOWS;
        }
        // Half of it is granted beyond the rate: more than that, and both swing.
        let by = ((more.clamp(0.0, f64::from(self.burst)) / 2.0) as u64).saturating_mul(self.every);
        self.next = self.next.saturating_sub(by);
        let Some((since, left_before)) = before else { return 0.0 };
        let came_in = accepted + f64::from(left) - f64::from(left_before);
        let expected = now.saturating_sub(since).max(1) as f64 / self.every as f64;
        (came_in / expected - 1.0) * FOLLOWS_BUCKET
    }

    pub(super) fn grant(&mut self, terms: &Terms, grant: &mut Grant) {
        let &Terms { now, round, .. } = terms;
        let each_round = round as f64 / self.every as f64;
        let turns = u64::from(terms.askers).saturating_mul(self.every) / 4 * 5;
        let ahead = (2 * round).max(turns).min(FURTHEST);
        let end = now.saturating_add(ahead);
        let mut want = terms.part(each_round * 1.5);
        // What is there already is shared as well.
        let there = now.saturating_sub(self.next) / self.every;
        let count =
            want.min(terms.part(there as f64)).min(u32::try_from(there).unwrap_or(u32::MAX));
        let slack = if self.burst > 1 { round } else { JITTER };
        if count > 0 {
            push(
                &mut grant.lots,
                Lot { window: 0, count, from: now, until: now.saturating_add(round), every: 0 },
            );
            self.next = self.next.saturating_add(u64::from(count).saturating_mul(self.every));
            want -= count;
        }
        let from = self.next.max(now);
        let room = end.saturating_sub(from) / self.every;
        let count = want.min(u32::try_from(room).unwrap_or(u32::MAX));
        let span = u64::from(count).saturating_mul(self.every);
        if self.next >= now || there == 0 {
            push(
                &mut grant.lots,
                Lot {
                    window: 0,
                    count,
                    from,
                    until: from.saturating_add(span).saturating_add(slack),
                    every: self.every,
                },
            );
            if count > 0 {
                self.next = from.saturating_add(span);
            }
        }
        let wait = from.saturating_sub(now);
        grant.again = if grant.lots.is_empty() {
            (3 * round / 4, 5 * round / 4)
        } else {
            let least = wait.max(3 * round / 4);
            (least, least + span.clamp(round / 4, round))
        };
    }
}
