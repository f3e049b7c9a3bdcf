//! Many processes that share a quota and do not know of each other.

use std::time::Duration;

use tokio::time::Instant;

use super::{Verdict, evidence::Evidence, later};

/// Requests per second: the slowest pace, the slowest first pace, and the pace at which a process is not one of many.
const SLOWEST: f64 = 1.0 / 300.0;
const SLOWEST_START: f64 = 0.5;
const ALONE: f64 = 20.0;

/// A rate-limited response slows the pace by e to this power, about 30 %.
const STEP: f64 = 0.35;

/// The share of rate-limited requests at which a pace stays what it is: 3 % at a request per ten seconds. It falls with the square
/// of the pace, so that the faster of two processes gives way.
const LIMITED_SHARE: f64 = 0.03;
const AT_PACE: f64 = 0.1;
const MAX_LIMITED_SHARE: f64 = 0.08;

/// After this many successes in a row the pace quickens by `LEFT` more, after twice as many by four times that.
const MANY: f64 = 50.0;
const LEFT: f64 = 0.005;

/// After this many rate-limited responses without a success in between, the pace is not at fault: the server is closed to all. When
/// it opens, the pace doubles with each success up to the pace before the first of them, like TCP's slow start after a time-out
/// ([RFC 5681 section 3.1](https://www.rfc-editor.org/rfc/rfc5681#section-3.1)).
const CLOSED: u32 = 5;

/// The weight of the first rate-limited response at a pace that was hardly too fast, so that one more is enough: after `MANY`
/// successes in a row, and when contention is first detected.
const SURPRISE: u32 = CLOSED - 1;

/// Contention with other processes: this one sends at a pace of its own, with jitter.
///
/// ```text
///   pace  ╲   ╱╲    ╱╲          each rate-limited response slows it down,
///          ╲_╱  ╲__╱  ╲_╱       each success speeds it up a little
///
///         ╲              ╱      after a time without a success
///          ╲__ __   __ _╱       it soon returns to what it was
/// ```
#[derive(Debug)]
pub(super) struct Contention {
    evidence: Evidence,
    /// `None` until contention is detected.
    pace: Option<Pace>,
    /// When the last rate-limited response came: requests sent before tell nothing new.
    last: Option<Instant>,
    seed: u64,
}

#[derive(Clone, Copy, Debug)]
struct Pace {
    per_second: f64,
    due: Instant,
    /// Whether a request waited for the moment at which the last one was sent.
    was_awaited: bool,
    /// Successes in a row.
    accepted: u32,
    /// Rate-limited responses in a row, the last ones or those before the last successes. A surprise counts for more than one.
    rate_limited: u32,
    /// The pace to return to after a time without a success.
    before: f64,
}

// === impl Contention ===

impl Contention {
    pub(super) fn new(seed: u64) -> Self {
        Self { evidence: Evidence::default(), pace: None, last: None, seed }
    }

    pub(super) const fn is_detected(&self) -> bool {
        self.pace.is_some()
    }

    /// Adds the pace to the verdict of all other parts.
    #[inline]
    pub(super) fn check(&mut self, now: Instant, others: Verdict) -> Verdict {
        let jitter = self.draw();
        let Some(pace) = &mut self.pace else { return others };
        // Other processes wait for that moment too.
        if let Verdict::At(at) = others {
            if pace.due <= at {
                pace.due = later(at, pace.gap().mul_f64(jitter));
            }
        }
        if now < pace.due { others.and(Verdict::At(pace.due)) } else { others }
    }

    #[inline]
    pub(super) fn on_sent(&mut self, now: Instant) {
        let jitter = self.draw() + 0.5;
        let Some(pace) = &mut self.pace else { return };
        pace.was_awaited = now.saturating_duration_since(pace.due) < pace.gap() / 4;
        pace.due = later(now, pace.gap().mul_f64(jitter));
    }

    #[inline]
    pub(super) fn on_accepted(&mut self, sent: Instant, now: Instant) {
        self.evidence.on_accepted(sent, now);
        let Some(pace) = &mut self.pace else { return };
        pace.quicken();
        if pace.per_second > ALONE {
            *self = Self::new(self.seed);
        }
    }

    /// `foreign` is the likelihood that only other processes explain this response.
    pub(super) fn on_rate_limited(
        &mut self,
        sent: Instant,
        now: Instant,
        foreign: f64,
        retry_after: Option<Duration>,
    ) {
        if self.last.is_some_and(|last| sent < last) {
            return;
        }
        self.last = Some(now);
        let is_proven = self.evidence.on_rate_limited(sent, foreign, retry_after);
        if !is_proven && self.pace.is_none() {
            return;
        }
        let mut pace = match self.pace {
            Some(pace) => pace.slowed(),
            None => Pace::new(self.evidence.rate(now), now),
        };
        pace.due = later(now, pace.gap().mul_f64(self.draw() + 0.5));
        self.pace = Some(pace);
    }

    /// A number from 0.0..1.0, by the generator SplitMix64.
    fn draw(&mut self) -> f64 {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

// === impl Pace ===

impl Pace {
    /// The first pace, from the successes per second so far.
    fn new(rate: f64, due: Instant) -> Self {
        let per_second = rate.clamp(SLOWEST_START, ALONE);
        let (accepted, rate_limited) = (0, SURPRISE);
        Self { per_second, due, was_awaited: true, accepted, rate_limited, before: per_second }
    }

    fn slowed(self) -> Self {
        let per_second = (self.per_second * (-STEP).exp()).max(SLOWEST);
        let (rate_limited, before) = match self.accepted {
            0 => (self.rate_limited.saturating_add(1), self.before),
            accepted if f64::from(accepted) >= MANY => (SURPRISE, per_second),
            _ => (1, per_second),
        };
        Self { per_second, was_awaited: true, accepted: 0, rate_limited, before, ..self }
    }

    fn gap(&self) -> Duration {
        Duration::try_from_secs_f64(1.0 / self.per_second).unwrap_or(Duration::MAX)
    }

    /// Quickens the pace after a success that waited for it.
    fn quicken(&mut self) {
        if !self.was_awaited {
            return;
        }
        self.accepted = self.accepted.saturating_add(1);
        if self.rate_limited >= CLOSED && self.per_second < self.before {
            self.per_second = (self.per_second * 2.0).min(self.before);
            return;
        }
        let share = (LIMITED_SHARE * (AT_PACE / self.per_second).powi(2)).min(MAX_LIMITED_SHARE);
        // The longer nothing is rate limited, the likelier it is that the other processes have left.
        let overdue = LEFT * (f64::from(self.accepted) / MANY).powi(2);
        self.per_second *= 1.0 + STEP * (share + overdue);
    }
}
