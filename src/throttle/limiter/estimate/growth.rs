//! How a limit that is not shown is tried to be higher.

use std::time::Duration;

use crate::moment::Moment;

/// A limit is tried with this part more or less.
const STEP: f64 = 0.05;

/// The unit of the growth in time, and in successes.
const TIME: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_millis(7_500);
const SUCCESSES: f64 = 2.0;

/// The growth is as much slower at most where the same limit is met again and again.
const SLOWEST: f64 = 4.0;

/// The factor of a limit since it was met: just below it at first, about it for a time, then more and more.
///
/// ```text
///                      ╱
///                    ╱
///   1 ┤   ___———————
///     │ ╱
///     └──────┬───────────▶ successes, time
/// ```
///
/// That is the curve of CUBIC ([RFC 9438](https://www.rfc-editor.org/rfc/rfc9438)), and twice as much each unit after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    since: Moment,
    accepted: f64,
    /// The unit in successes and in time.
    unit: f64,
    time: Duration,
    /// By how much the units are longer: the same limit was met again.
    slower: f64,
}

// === impl Growth ===

impl Growth {
    pub(super) fn new(unit: f64, least: Duration, now: Moment) -> Self {
        Self { since: now, accepted: 0.0, unit, time: least.clamp(TIME, LONGEST), slower: 1.0 }
    }

    /// The limit was met, the same as before or another one.
    pub(super) fn again(&self, unit: f64, is_same: bool, now: Moment) -> Self {
        let slower = if is_same { self.slower * 2.0 } else { self.slower / 2.0 };
        Self { since: now, accepted: 0.0, unit, slower: slower.clamp(1.0, SLOWEST), ..*self }
    }

    pub(super) const fn unit(&self) -> f64 {
        self.unit
    }

    pub(super) fn on_accepted(&mut self) {
        self.accepted += 1.0;
    }

    pub(super) fn units(&self, now: Moment) -> f64 {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        let by_time = (passed / self.time.as_secs_f64()).min(self.accepted / SUCCESSES);
        (self.accepted / self.unit / self.slower).max(by_time / self.slower.min(2.0))
    }

    pub(super) fn factor(&self, now: Moment) -> f64 {
        let units = self.units(now);
        let cubic = 1.0 + STEP * (units.min(4.0) - 1.0).powi(3);
        cubic * (units - 4.0).clamp(0.0, 10.0).exp2()
    }
}
