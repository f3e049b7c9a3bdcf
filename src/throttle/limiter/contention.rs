//! Many processes that share a quota and know nothing of each other.

use std::time::Duration;

use tokio::time::Instant;

use super::{Verdict, evidence::Signs, later};

/// Requests a second: the least, the least at first, and so many that the process is not one of many any more.
const SLOWEST: f64 = 1.0 / 300.0;
const SLOWEST_START: f64 = 0.5;
const ALONE: f64 = 20.0;

/// A refusal takes the pace down by e to this power, which is about three tenths.
const STEP: f64 = 0.35;

/// The part of its requests that a process at this pace may have refused without slowing down. The part falls with the square of
/// the pace, so that of two the faster one gives way.
const REFUSED: f64 = 0.03;
const AT_PACE: f64 = 0.1;
const MOST_REFUSED: f64 = 0.08;

/// After so many accepted in a row the pace quickens by so much more, after twice as many by four times that.
const MANY: f64 = 50.0;
const LEFT: f64 = 0.005;

/// So many refusals with nothing accepted in between are no sign of too fast a pace any more: the server is closed to all. When it
/// opens, the pace doubles with each accepted request up to that before the first of them, as TCP's slow start does after a
/// time-out ([RFC 5681 section 3.1](https://www.rfc-editor.org/rfc/rfc5681#section-3.1)).
const CLOSED: u32 = 5;

/// What the first refusal counts for at a pace that was hardly too fast, so that one more is enough: after `MANY` accepted in a
/// row, and at that of the time in which the others were not noticed.
const SURPRISE: u32 = CLOSED - 1;

/// One of many processes that share a quota. It sends at a pace of its own, at moments that chance spreads.
///
/// ```text
///   pace  ╲   ╱╲    ╱╲          each refusal takes it down,
///          ╲_╱  ╲__╱  ╲_╱       each accepted request takes it up a little
///
///         ╲              ╱      nothing is accepted for a while,
///          ╲__ __   __ _╱       and then it is soon back where it was
/// ```
#[derive(Debug)]
pub(super) struct Crowd {
    signs: Signs,
    pace: Option<Pace>,
    /// What left before the last refusal was heard of tells nothing new.
    heard: Option<Instant>,
    chance: u64,
}

#[derive(Clone, Copy, Debug)]
struct Pace {
    per_second: f64,
    due: Instant,
    /// Somebody waited for the moment at which the last one went.
    was_awaited: bool,
    /// Accepted in a row.
    accepted: u32,
    /// Refused in a row, now or just before these. A surprise counts for more than one.
    refused: u32,
    /// What it may soon be again after a time in which nothing was accepted.
    before: f64,
}

// === impl Crowd ===

impl Crowd {
    pub(super) fn new(chance: u64) -> Self {
        Self { signs: Signs::default(), pace: None, heard: None, chance }
    }

    /// Whether others are known to take from the quota.
    pub(super) const fn is_met(&self) -> bool {
        self.pace.is_some()
    }

    /// Whether one may go, which all the rest allows or not.
    #[inline]
    pub(super) fn turn(&mut self, now: Instant, rest: Verdict) -> Verdict {
        let spread = self.draw();
        let Some(pace) = &mut self.pace else { return rest };
        // Others wait for that moment as well.
        if let Verdict::At(at) = rest {
            if pace.due <= at {
                pace.due = later(at, pace.gap().mul_f64(spread));
            }
        }
        if now < pace.due { rest.and(Verdict::At(pace.due)) } else { rest }
    }

    #[inline]
    pub(super) fn sent(&mut self, now: Instant) {
        let spread = self.draw() + 0.5;
        let Some(pace) = &mut self.pace else { return };
        pace.was_awaited = now.saturating_duration_since(pace.due) < pace.gap() / 4;
        pace.due = later(now, pace.gap().mul_f64(spread));
    }

    #[inline]
    pub(super) fn accepted(&mut self, sent: Instant, now: Instant) {
        self.signs.accepted(sent, now);
        let Some(pace) = &mut self.pace else { return };
        pace.quicken();
        if pace.per_second > ALONE {
            *self = Self::new(self.chance);
        }
    }

    /// One was refused; `foreign` is how likely it is that only what others took explains it.
    pub(super) fn refused(
        &mut self,
        sent: Instant,
        now: Instant,
        foreign: f64,
        told: Option<Duration>,
    ) {
        if self.heard.is_some_and(|heard| sent < heard) {
            return;
        }
        self.heard = Some(now);
        if !self.signs.refused(sent, foreign, told) && self.pace.is_none() {
            return;
        }
        let mut pace = match self.pace {
            Some(pace) => pace.slowed(),
            None => Pace::new(self.signs.rate(now), now),
        };
        pace.due = later(now, pace.gap().mul_f64(self.draw() + 0.5));
        self.pace = Some(pace);
    }

    /// A number from 0.0..1.0, by the generator SplitMix64.
    fn draw(&mut self) -> f64 {
        self.chance = self.chance.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

// === impl Pace ===

impl Pace {
    /// That of a process which has had so many accepted a second.
    fn new(rate: f64, due: Instant) -> Self {
        let per_second = rate.clamp(SLOWEST_START, ALONE);
        let (accepted, refused) = (0, SURPRISE);
        Self { per_second, due, was_awaited: true, accepted, refused, before: per_second }
    }

    /// One was refused.
    fn slowed(self) -> Self {
        let per_second = (self.per_second * (-STEP).exp()).max(SLOWEST);
        let (refused, before) = match self.accepted {
            0 => (self.refused.saturating_add(1), self.before),
            accepted if f64::from(accepted) >= MANY => (SURPRISE, per_second),
            _ => (1, per_second),
        };
        Self { per_second, was_awaited: true, accepted: 0, refused, before, ..self }
    }

    fn gap(&self) -> Duration {
        Duration::try_from_secs_f64(1.0 / self.per_second).unwrap_or(Duration::MAX)
    }

    /// One was accepted. A pace that nobody waited for does not quicken.
    fn quicken(&mut self) {
        if !self.was_awaited {
            return;
        }
        self.accepted = self.accepted.saturating_add(1);
        if self.refused >= CLOSED && self.per_second < self.before {
            self.per_second = (self.per_second * 2.0).min(self.before);
            return;
        }
        let part = (REFUSED * (AT_PACE / self.per_second).powi(2)).min(MOST_REFUSED);
        // The longer nothing is refused, the likelier it is that the others are gone.
        let overdue = LEFT * (f64::from(self.accepted) / MANY).powi(2);
        self.per_second *= 1.0 + STEP * (part + overdue);
    }
}
