//! Rejections that do not depend on the rate.

use std::time::Duration;

use crate::moment::Moment;

use super::super::{Verdict, ago, later};

/// So many rejections in a row that the rate does not explain: slowing down does not help.
const UNEXPLAINED: u32 = 4;

/// A process from which the server accepts less is one of many processes on one quota. What rejects each of them at random is the others.
const LEAST: f64 = 0.8;

/// How long it is not slowed down, at first and at most. Then a slower pace is tried again.
const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(60);

/// The rate is what the server accepted, and so much more, so that what has queued up is sent.
const MORE: f64 = 1.5;

/// After so many requests, a share that is higher by so much than at the slower pace depends on the rate.
const JUDGED_BY: u32 = 40;
const HIGHER: f64 = 0.2;

/// The most that a late request leaves the next less to wait.
const LATE: Duration = Duration::from_millis(50);

/// Rejections that do not depend on the rate.
///
/// ```text
///   at a slower pace │ not slowed down      │ slower │ not slowed down
///   ····x···x··x··x  │ ··x····x·x·····x···  │ ··x··x │ ...              x  rejected
///                      as many rejected: they do not depend on the rate
///                      many more rejected: they do, and what is accepted is the rate
/// ```
#[derive(Debug, Default)]
pub(super) struct Noise {
    unexplained: u32,
    /// Only responses to requests that were sent after the first of these count: it is no part of a random sample.
    from: Option<Moment>,
    /// All responses since then, or since it is not slowed down, and the rejections of these.
    responses: u32,
    rejected: u32,
    /// The share of rejections at the slower pace.
    share: f64,
    on: Option<On>,
    /// How long the next such time is; not zero as long as rejections are likely not to depend on the rate.
    span: Duration,
}

#[derive(Debug)]
struct On {
    since: Moment,
    per_second: f64,
    due: Moment,
}

// === impl Noise ===

impl Noise {
    pub(super) const fn is_on(&self) -> bool {
        self.on.is_some()
    }

    /// Whether rejections at the slower pace were found not to depend on it.
    pub(super) const fn is_likely(&self) -> bool {
        !self.span.is_zero()
    }

    pub(super) fn check(&self, now: Moment) -> Option<Verdict> {
        let on = self.on.as_ref()?;
        Some(if now < on.due { Verdict::At(on.due) } else { Verdict::Go })
    }

    /// Returns whether it is on.
    pub(super) fn on_sent(&mut self, now: Moment) -> bool {
        let Some(on) = &mut self.on else { return false };
        let gap = Duration::try_from_secs_f64(1.0 / on.per_second).unwrap_or(Duration::MAX);
        on.due = later(on.due.max(ago(now, LATE)), gap);
        true
    }

    pub(super) fn on_response(&mut self, sent: Moment, is_rejected: bool) {
        if self.from.is_some_and(|from| sent < from) {
            return;
        }
        self.responses = self.responses.saturating_add(1);
        self.rejected = self.rejected.saturating_add(u32::from(is_rejected));
    }

    pub(super) fn on_unexplained(&mut self, delivered: f64, now: Moment) {
        if self.unexplained == 0 {
            (self.from, self.responses, self.rejected) = (Some(now), 0, 0);
        }
        self.unexplained = self.unexplained.saturating_add(1);
        if self.unexplained < UNEXPLAINED || delivered < LEAST {
            return;
        }
        self.share = f64::from(self.rejected) / f64::from(self.responses.max(1));
        let rate = delivered / (1.0 - self.share.min(0.5)) * MORE;
        self.on = Some(On { since: now, per_second: rate, due: now });
        (self.responses, self.rejected, self.unexplained) = (0, 0, 0);
        self.span = (self.span * 2).clamp(FIRST, LONGEST);
    }

    /// The pace explains it.
    pub(super) fn calm(&mut self) {
        self.unexplained = 0;
        self.span = Duration::ZERO;
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// What the server accepts, if much more is rejected than at the slower pace.
    pub(super) fn depends_on_rate(&self, now: Moment) -> Option<f64> {
        let on = self.on.as_ref()?;
        let share = f64::from(self.rejected) / f64::from(self.responses.max(1));
        // What is high already cannot become much higher.
        let higher = HIGHER.min((1.0 - self.share) / 2.0);
        let is_higher = self.responses >= JUDGED_BY && share > self.share + higher;
        is_higher.then(|| self.accepted(on, now))
    }

    pub(super) fn is_over(&self, now: Moment) -> bool {
        self.on.as_ref().is_some_and(|on| later(on.since, self.span) <= now)
    }

    /// Ends it for a trial of a slower pace, which is returned.
    pub(super) fn rest(&mut self, now: Moment) -> f64 {
        let Some(on) = self.on.take() else { return 0.0 };
        let rate = self.accepted(&on, now);
        (self.responses, self.rejected) = (0, 0);
        rate
    }

    /// The rate of what was accepted. The callers may have asked for less.
    fn accepted(&self, on: &On, now: Moment) -> f64 {
        let span = now.saturating_duration_since(on.since).as_secs_f64().max(0.001);
        (f64::from(self.responses.saturating_sub(self.rejected)) / span).max(LEAST)
    }
}
