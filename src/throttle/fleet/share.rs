//! The part of one process while the store is down: by the last ledger, by what it was granted, and by chance.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    ask::{Lot, Nanos, SECOND},
    ledger::{Ledger, Model},
    window::Window,
};

/// A part of a window is left, since processes disagree about when it begins.
const USED: f64 = 0.93;

/// A rejection takes a tenth, and a second without one gives a hundredth back.
const TAKEN: f64 = 0.9;
const GIVEN: f64 = 0.01;

/// An older ledger says nothing: each process sends by its own quota.
const STALE: Nanos = 60 * SECOND;

/// Over how long a time a process averages what it is granted.
const AVERAGED: Duration = Duration::from_secs(8);

/// A window of so many rounds or more is granted piece by piece.
const LONG: Nanos = 2 * SECOND;

/// What one process is granted, on average. What all of a fleet are granted adds up to the limit, however often each asks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Granted {
    since: Option<Instant>,
    at: Option<Instant>,
    /// The number of permits, of which each counts less with time.
    count: f64,
}

/// What one process may send without the store.
#[derive(Clone, Debug)]
pub struct Share {
    ledger: Ledger,
    /// When the store replied last.
    since: Nanos,
    /// Up to when permits were given out.
    until: Nanos,
    /// What the process was granted in a second, as far as that is known.
    granted: Option<f64>,
    /// What part of its share it uses at most, and at present.
    used: f64,
    factor: f64,
}

// === impl Granted ===

impl Granted {
    pub(super) fn add(&mut self, now: Instant, count: u32) {
        self.count = self.left(now) + f64::from(count);
        self.since = self.since.or(Some(now));
        self.at = Some(now);
    }

    pub(super) fn take_back(&mut self, count: u32) {
        self.count = (self.count - f64::from(count)).max(0.0);
    }

    /// `None` while there is too little to average.
    pub(super) fn per_second(&self, now: Instant) -> Option<f64> {
        // Half-way to the next grant, on average.
        let now = self.at? + now.saturating_duration_since(self.at?) / 2;
        let span = now.saturating_duration_since(self.since?);
        let averaged = AVERAGED.as_secs_f64();
        (span >= AVERAGED / 2)
            .then(|| self.left(now) / (averaged * (1.0 - (-span.as_secs_f64() / averaged).exp())))
    }

    fn left(&self, now: Instant) -> f64 {
        let passed = self.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.count * (-passed.as_secs_f64() / AVERAGED.as_secs_f64()).exp()
    }
}

// === impl Share ===

impl Share {
    /// The share of a process that has had permits up to `held`, by a ledger as it was at `since`. The store was last asked in vain at
    /// `failed`. Until then the others were granted an even rate, or a long window, as far ahead as before: that is used first. Of a
    /// short window each process has its part: either it was granted, or it is taken now.
    #[must_use]
    pub fn new(
        mut ledger: Ledger,
        since: Nanos,
        failed: Nanos,
        held: Nanos,
        granted: Option<f64>,
    ) -> Self {
        let until = match &mut ledger.model {
            Model::Window(window) if !is_long(window) => held,
            Model::Window(window) => {
                window.pass(failed.saturating_sub(since));
                failed
            }
            _ => {
                // The store went down at some time in between.
                let down = since + failed.saturating_sub(since) / 2;
                held.max(down.saturating_add(ledger.granted_until(since) - since))
            }
        };
        let used = match ledger.model {
            Model::Window(_) => USED,
            _ => 1.0,
        };
        Self { ledger, since, until, granted, used, factor: used }
    }

    /// Permits from now, by an estimate of the store's time, for a span. `rejected` since the last time. `None` if the ledger is too old.
    pub fn lots(
        &mut self,
        now: Nanos,
        span: Nanos,
        rejected: u32,
        chance: f64,
    ) -> Option<Vec<Lot>> {
        if now.saturating_sub(self.since) > STALE {
            return None;
        }
        let askers = f64::from(self.ledger.round.askers.max(self.ledger.round.last_askers).max(1));
        self.factor = match rejected {
            0 => (self.factor + GIVEN).min(self.used),
            _ => self.factor * TAKEN.powi(rejected.min(20) as i32),
        };
        let per_second = match &self.ledger.model {
            Model::Window(window) if window.period > 0 => {
                f64::from(window.allowed) / seconds(window.period)
            }
            Model::Rate(rate) => 1.0 / seconds(rate.every),
            Model::Window(_) | Model::New { .. } | Model::Open => 0.0,
        };
        // Of a long window a process may be granted more than its part, as long as others want less.
        let part = match (self.granted, &self.ledger.model) {
            (Some(granted), Model::Window(window)) if is_long(window) => {
                (granted / per_second).min(1.0 / askers)
            }
            (Some(granted), _) => (granted / per_second).min(1.0),
            (None, _) => 1.0 / askers,
        };
        let part = self.factor * part;
        let end = now.saturating_add(span);
        let mut lots = Vec::new();
        match &mut self.ledger.model {
            Model::New { .. } | Model::Open => return None,
            Model::Window(window) => {
                // After the last time it may be one that has not begun.
                if now >= window.end.1 && !window.advance(now) {
                    return None;
                }
                while lots.len() < 64 {
                    // The whole part, at the begin of each window.
                    let is_current = self.until <= now
                        && now < window.end.0
                        && (window.period == 0 || window.end.0 <= now + window.period);
                    let (from, until, of) = if is_current {
                        (now, window.end.0, left(window))
                    } else {
                        let from = self.until.max(now).max(window.end.1);
                        (from, window.end.0.saturating_add(window.period), window.allowed)
                    };
                    if from >= end || !is_current && window.period == 0 {
                        break;
                    }
                    let count = round(f64::from(of) * part, chance);
                    self.until = until.max(from);
                    lots.push(Lot { window: window.number, count, from, until, every: 0 });
                    if until > window.end.1 {
                        window.advance(until);
                    }
                }
            }
            Model::Rate(rate) => {
                let from = now.max(self.until);
                if from < end {
                    let every = (rate.every as f64 / part) as Nanos;
                    let count = round((end - from) as f64 / every as f64, chance);
                    let offset = (every as f64 * chance) as Nanos;
                    let from =
                        from.saturating_add(if self.until == self.since { offset } else { 0 });
                    lots.push(Lot {
                        window: 0,
                        count,
                        from,
                        until: end.saturating_add(every),
                        every,
                    });
                    self.until = end;
                }
            }
        }
        lots.retain(|lot| lot.count > 0);
        Some(lots)
    }
}

const fn is_long(window: &Window) -> bool {
    window.period == 0 || window.period >= LONG
}

/// What is left of the current window: a short one counts as if nobody had a part of it, since this process has not.
fn left(window: &Window) -> u32 {
    let granted = window.granted.first().filter(|_| is_long(window));
    window.allowed.saturating_sub(granted.copied().unwrap_or(0))
}

fn seconds(span: Nanos) -> f64 {
    span.max(1) as f64 / SECOND as f64
}

/// Rounded by chance: numbered shares collide as soon as two processes disagree about the number.
fn round(part: f64, chance: f64) -> u32 {
    (part + chance).floor() as u32
}
