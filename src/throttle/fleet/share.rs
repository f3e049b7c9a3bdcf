//! The part of one process while the store is down: by the last ledger, and by chance.

use super::{
    ask::{Lot, Nanos, SECOND},
    ledger::{Ledger, Model},
};

/// A part of the limit is left, since processes disagree about who is there.
const USED: f64 = 0.93;

/// A rejection takes a tenth, and a second without one gives a hundredth back.
const TAKEN: f64 = 0.9;
const GIVEN: f64 = 0.01;

/// An older ledger says nothing: each process sends by its own quota.
const STALE: Nanos = 60 * SECOND;

/// What one process may send without the store.
#[derive(Clone, Debug)]
pub struct Share {
    ledger: Ledger,
    /// When the store replied last.
    since: Nanos,
    /// Up to when permits were given out.
    until: Nanos,
    factor: f64,
}

// === impl Share ===

impl Share {
    /// The share of a process that has permits up to `held`, by a ledger as it was at `since`. The store was last asked in vain at
    /// `failed`: until then the others were granted as far ahead as before, which is used first.
    #[must_use]
    pub fn new(ledger: Ledger, since: Nanos, failed: Nanos, held: Nanos) -> Self {
        let ahead = ledger.granted_until(since) - since;
        Self { ledger, since, until: held.max(failed.saturating_add(ahead)), factor: USED }
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
            0 => (self.factor + GIVEN).min(USED),
            _ => self.factor * TAKEN.powi(rejected.min(20) as i32),
        };
        let part = self.factor / askers;
        let end = now.saturating_add(span);
        let mut lots = Vec::new();
        match &mut self.ledger.model {
            Model::New { .. } | Model::Open => return None,
            Model::Window(window) => {
                while window.advance(now) && window.period > 0 {
                    let from = now.max(self.until);
                    let next = window.end.1;
                    // The whole part, at the begin of each window.
                    let (from, until) = match from {
                        from if from < window.end.0 && self.until <= now => (from, window.end.0),
                        _ => (next.max(self.until), window.end.0.saturating_add(window.period)),
                    };
                    if from >= end {
                        break;
                    }
                    let count = round(f64::from(window.allowed) * part, chance);
                    self.until = until.max(from);
                    lots.push(Lot { window: window.number, count, from, until, every: 0 });
                    if lots.len() >= 64 {
                        break;
                    }
                    if until > next {
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

/// Rounded by chance: numbered shares collide as soon as two processes disagree about the number.
fn round(part: f64, chance: f64) -> u32 {
    (part + chance).floor() as u32
}
