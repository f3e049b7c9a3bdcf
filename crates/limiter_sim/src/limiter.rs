//! Model limiters.

use std::collections::VecDeque;

use super::{Nanos, SECOND};

/// What a limiter keeps to.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// So many in each period, the periods beginning at multiples of it since 1970.
    Fixed { limit: u64, period: Nanos },
    /// So many in a period that begins with the first request after the last one ended.
    FirstHit { limit: u64, period: Nanos },
    /// So many in any period.
    Sliding { limit: u64, period: Nanos },
    /// Up to `burst` at once, and `rate` a second come back.
    Bucket { rate: u64, burst: u64 },
}

/// A limiter at work, in the server's time.
#[derive(Clone, Debug)]
pub struct Limiter {
    pub rule: Rule,
    /// Of a window: what was taken of it, and when it ends. Of a bucket: when it is full.
    taken: u64,
    until: Nanos,
    log: VecDeque<Nanos>,
}

/// What is left after a request.
#[derive(Clone, Copy, Debug)]
pub struct Left {
    pub accepted: bool,
    pub limit: u64,
    pub remaining: u64,
    pub reset: Nanos,
    /// When the next is accepted.
    pub next: Nanos,
}

impl Limiter {
    pub fn new(rule: Rule) -> Self {
        Self { rule, taken: 0, until: 0, log: VecDeque::new() }
    }

    /// A request is counted at this moment.
    pub fn arrive(&mut self, at: Nanos) -> Left {
        let next = self.earliest(at);
        let accepted = next <= at;
        match self.rule {
            Rule::Fixed { limit, period } => {
                if at >= self.until {
                    self.until = at / period * period + period;
                    self.taken = 0;
                }
                self.taken += u64::from(accepted);
                Left {
                    accepted,
                    limit,
                    remaining: limit.saturating_sub(self.taken),
                    reset: self.until,
                    next,
                }
            }
            Rule::FirstHit { limit, period } => {
                if at >= self.until {
                    self.until = at + period;
                    self.taken = 0;
                }
                self.taken += u64::from(accepted);
                Left {
                    accepted,
                    limit,
                    remaining: limit.saturating_sub(self.taken),
                    reset: self.until,
                    next,
                }
            }
            Rule::Sliding { limit, period } => {
                while self.log.front().is_some_and(|oldest| oldest + period <= at) {
                    self.log.pop_front();
                }
                if accepted {
                    self.log.push_back(at);
                }
                let reset = self.log.front().map_or(at, |oldest| oldest + period);
                Left {
                    accepted,
                    limit,
                    remaining: limit.saturating_sub(self.log.len() as u64),
                    reset,
                    next,
                }
            }
            Rule::Bucket { rate, burst } => {
                let one = SECOND / rate;
                if accepted {
                    self.until = self.until.max(at) + one;
                }
                let remaining = burst - (self.until - at.min(self.until)).div_ceil(one).min(burst);
                Left { accepted, limit: burst, remaining, reset: self.until, next }
            }
        }
    }

    /// When a request would be accepted, from this moment on.
    pub fn earliest(&self, at: Nanos) -> Nanos {
        match self.rule {
            Rule::Fixed { limit, .. } | Rule::FirstHit { limit, .. } => {
                if at >= self.until || self.taken < limit { at } else { self.until }
            }
            Rule::Sliding { limit, period } => {
                let counted = self.log.iter().filter(|sent| *sent + period > at).count() as u64;
                if counted < limit {
                    at
                } else {
                    at.max(self.log[self.log.len() - limit as usize] + period)
                }
            }
            Rule::Bucket { rate, burst } => {
                let one = SECOND / rate;
                at.max((self.until + one).saturating_sub(burst * one))
            }
        }
    }
}
