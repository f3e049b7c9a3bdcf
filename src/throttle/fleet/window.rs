//! Windows that end for all at once.

use super::{
    ask::{Grant, Learned, Lot, Nanos, SECOND, Seen},
    ledger::{FURTHEST, Round, Terms, is_counter, push},
};

/// The most windows for which permits are granted: the current one, and those to come.
const AHEAD: usize = 64;

/// No window is shorter or longer.
const SHORTEST: Nanos = SECOND / 20;
const LONGEST: Nanos = 32 * 24 * 3_600 * SECOND;

/// Clocks drift by so many parts of a window.
const DRIFT: u64 = 10_000;

/// Windows without a rejection after which one permit more is tried, if no counter says what was left.
const QUIET: u32 = 8;

/// A window that ends for all at once, at a moment of the store's clock.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Window {
    pub(super) limit: u32,
    /// What others who are not of the fleet leave of the limit.
    pub(super) allowed: u32,
    /// Zero if it is not known.
    pub(super) period: Nanos,
    /// The number of the current window, and the earliest and the latest moment at which it ends.
    pub(super) number: u64,
    pub(super) end: (Nanos, Nanos),
    /// What was granted of the current window, and of those to come.
    pub(super) granted: Vec<u32>,
    /// The least that was left in the current window.
    pub(super) left: Option<u32>,
    /// Windows since the last rejection.
    pub(super) quiet: u32,
    /// Counters in a row that contradict the end.
    pub(super) odd: u32,
    /// Permits that nobody wanted.
    pub(super) spare: u32,
}

// === impl Window ===

impl Window {
    pub(super) fn new(now: Nanos, found: &Learned) -> Option<Self> {
        let Learned::Window { limit, left, period, end } = *found else { return None };
        let mut window = Self {
            limit,
            allowed: limit,
            period: period.unwrap_or(0),
            number: 1,
            end,
            granted: vec![limit.saturating_sub(left)],
            left: None,
            quiet: 0,
            odd: 0,
            spare: 0,
        };
        window.advance(now).then_some(window)
    }

    /// Begins the windows that have begun. Returns whether the window can be what it says.
    pub(super) fn advance(&mut self, now: Nanos) -> bool {
        let is_known = self.period > 0;
        if self.limit == 0
            || self.end.0 > self.end.1
            || is_known && !(SHORTEST..=LONGEST).contains(&self.period)
            || self.end.1 > now.saturating_add(LONGEST)
        {
            return false;
        }
        self.allowed = self.allowed.clamp(self.limit.div_ceil(10), self.limit);
        self.granted.truncate(AHEAD);
        if now < self.end.1 {
            // It cannot end later than one period from now, or the clock of the store was set back.
            return !is_known || self.end.0 <= now.saturating_add(self.period);
        }
        if !is_known {
            return false;
        }
        let passed = (now - self.end.1) / self.period + 1;
        let by = passed.saturating_mul(self.period);
        let drift = (by / DRIFT).min(self.period / 4);
        self.end = (
            self.end.0.saturating_add(by).saturating_sub(drift),
            self.end.1.saturating_add(by).saturating_add(drift),
        );
        self.number = self.number.saturating_add(passed);
        let was_full = self.granted.first().is_some_and(|granted| *granted >= self.allowed);
        let granted = self.granted.iter().take(passed as usize);
        let spare = granted.map(|granted| self.allowed.saturating_sub(*granted));
        self.spare = self.spare.saturating_add(spare.fold(0, u32::saturating_add));
        self.granted.drain(..self.granted.len().min(passed as usize));
        self.quiet = self.quiet.saturating_add(1);
        let more = match self.left.take() {
            Some(left) if was_full => left.div_ceil(2),
            _ if self.quiet % QUIET == 0 => 1 + self.limit / 100,
            _ => 0,
        };
        self.allowed = self.allowed.saturating_add(more).min(self.limit);
        true
    }

    /// Reads a counter.
    pub(super) fn hear(&mut self, seen: &Seen, rejected: u32) {
        if !is_counter(seen) {
            return;
        }
        if seen.limit != self.limit {
            let share = f64::from(self.allowed) / f64::from(self.limit);
            self.limit = seen.limit;
            self.allowed = (f64::from(seen.limit) * share) as u32;
        }
        let Some((low, high)) = seen.end.filter(|(low, high)| low <= high) else { return };
        let middle = |(low, high): (Nanos, Nanos)| low / 2 + high / 2;
        let apart = middle((low, high)).abs_diff(middle(self.end));
        let windows = apart.saturating_add(self.period / 2).checked_div(self.period).unwrap_or(0);
        let by = windows.saturating_mul(self.period);
        let is_later = middle((low, high)) >= middle(self.end);
        let move_by =
            |at: Nanos| if is_later { at.saturating_sub(by) } else { at.saturating_add(by) };
        let (low, high) = (move_by(low), move_by(high));
        if windows == 0 {
            self.left = Some(self.left.map_or(seen.left, |left| left.min(seen.left)));
            // Others took what was left.
            if rejected > 0 && seen.left == 0 {
                if let Some(granted) = self.granted.first_mut() {
                    *granted = (*granted).max(self.allowed);
                }
            }
        }
        let both = (low.max(self.end.0), high.min(self.end.1));
        if both.0 <= both.1 {
            self.end = both;
            self.odd = 0;
            return;
        }
        let is_far = middle((low, high)).abs_diff(middle(self.end)) > self.period / 8;
        self.odd = if is_far { self.odd.saturating_add(1) } else { 0 };
        if self.period > 0 && high - low <= self.period / 4 {
            // The newest is right.
            self.end = (low, high);
        }
    }

    /// Up to when all permits are granted, if they are used evenly.
    pub(super) fn granted_until(&self, now: Nanos) -> Nanos {
        let full = self.granted.iter().take_while(|granted| **granted >= self.allowed).count();
        let part = self
            .granted
            .get(full)
            .map_or(0.0, |granted| f64::from(*granted) / f64::from(self.allowed.max(1)));
        let windows = (full as f64 - 1.0 + part) * self.period as f64;
        self.end.1.saturating_add_signed(windows as i64).max(now)
    }

    /// What others were granted since this state was seen, as far as they took all there is.
    pub(super) fn pass(&mut self, span: Nanos) {
        let windows = span as f64 / self.period.max(1) as f64;
        let mut others = (f64::from(self.allowed) * windows).ceil() as u32;
        for at in 0..AHEAD {
            if others == 0 {
                break;
            }
            if self.granted.len() <= at {
                self.granted.resize(at + 1, 0);
            }
            let taken = self.allowed.saturating_sub(self.granted[at]).min(others);
            self.granted[at] += taken;
            others -= taken;
        }
    }

    pub(super) fn take_back(&mut self, back: &[(u64, u32)]) {
        for (number, count) in back {
            let at = number.checked_sub(self.number).and_then(|at| usize::try_from(at).ok());
            if let Some(granted) = at.and_then(|at| self.granted.get_mut(at)) {
                *granted = granted.saturating_sub(*count);
            }
        }
    }

    /// Returns how many permits nobody wanted.
    pub(super) fn end_round(&mut self, round: &Round, passed: Nanos) -> u32 {
        if round.rejected > 0 {
            let windows = (passed as f64 / self.period.max(1) as f64).max(1.0);
            self.quiet = 0;
            let each = (f64::from(round.rejected) / windows).ceil() as u32;
            self.allowed =
                self.allowed.saturating_sub(each).max(self.limit.div_ceil(10)).min(self.limit);
        }
        std::mem::take(&mut self.spare)
    }

    pub(super) fn grant(&mut self, terms: &Terms, grant: &mut Grant) {
        let &Terms { now, round, .. } = terms;
        let period = self.period.max(1);
        let each_round = (round as f64 / period as f64).max(1.0);
        // One permit for each process, in order.
        let turns =
            u64::from(terms.askers).saturating_mul(period / 4 * 5) / u64::from(self.allowed.max(1));
        let ahead = (round + round / 2).max(period).max(turns).min(FURTHEST);
        let mut want = terms.part(f64::from(self.allowed) * each_round);
        let mut last = now;
        for at in 0..AHEAD {
            let (from, until) = match at {
                0 => (now, self.end.0),
                _ => {
                    let by = (at as u64 - 1) * self.period;
                    (self.end.1.saturating_add(by), self.end.0.saturating_add(by + self.period))
                }
            };
            let is_there = at == 0 || self.period > 0 && from <= now.saturating_add(ahead);
            if want == 0 || !is_there {
                break;
            }
            if from >= until {
                continue;
            }
            if self.granted.len() <= at {
                self.granted.resize(at + 1, 0);
            }
            let granted = &mut self.granted[at];
            let left = self.allowed.saturating_sub(*granted);
            let whole = if at == 0 { left } else { self.allowed };
            let count = left.min(want).min(terms.part(f64::from(whole)));
            *granted += count;
            want -= count;
            if count > 0 {
                last = from;
            }
            push(
                &mut grant.lots,
                Lot { window: self.number.saturating_add(at as u64), count, from, until, every: 0 },
            );
        }
        while self.granted.last() == Some(&0) {
            self.granted.pop();
        }
        let wait = last.saturating_sub(now);
        grant.again = if grant.lots.is_empty() {
            // Its time comes with the next window that is not full.
            let far = self.end.1.saturating_sub(now).saturating_sub(ahead / 2).min(FURTHEST);
            let least = (3 * round / 4).max(far);
            (least, least + round / 2)
        } else {
            let least = wait.max(round / 2);
            (least, least + (round * 4 / 5).min(period.max(round / 2)))
        };
    }
}
