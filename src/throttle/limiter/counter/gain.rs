//! What comes back over time, to recognise a bucket.

use std::time::Duration;

use crate::moment::Moment;

use super::Sample;

/// Samples closer together than this say little.
const APART: Duration = Duration::from_millis(40);

/// A bucket whose units take longer than this is recognised by its reset instead.
const FLAT: Duration = Duration::from_millis(100);

/// What has come back since a sample, whenever a response shows it exactly.
///
/// In a bucket it grows in a straight line. A window gives back nothing for a time, then much at once.
///
/// ```text
///   bucket      ╱     window     ┌──
///             ╱                  │
///           ╱                    │
///         ╱               ───────┘
/// ```
#[derive(Debug, Default)]
pub(super) struct Gain {
    start: Option<Start>,
    /// An earlier sample: the time since the start, and what had come back.
    between: Option<(Duration, u64)>,
    accepted: u64,
    /// Nothing came back for a time: it is a window, once and for all.
    flat: bool,
}

#[derive(Clone, Copy, Debug)]
struct Start {
    sent: Moment,
    left: u64,
}

// === impl Gain ===

impl Gain {
    /// The rate, if what came back lies on a line.
    pub(super) fn read(&mut self, sample: &Sample) -> Option<f64> {
        self.accepted = self.accepted.saturating_add(u64::from(!sample.rate_limited));
        if !sample.alone || self.flat {
            return None;
        }
        if sample.rate_limited {
            self.flat = true;
            return None;
        }
        // A full bucket gains nothing.
        let full = sample.left.saturating_add(1) >= sample.limit;
        let Some(start) = self.start.filter(|_| !full) else {
            *self = Self::default();
            self.start = Some(Start { sent: sample.sent, left: sample.left });
            return None;
        };
        let passed = sample.sent.saturating_duration_since(start.sent);
        let gained = sample.left.saturating_add(self.accepted).saturating_sub(start.left);
        if gained == 0 && passed >= FLAT {
            self.flat = true;
            return None;
        }
        let Some((then, had)) = self.between else {
            if passed >= APART {
                self.between = Some((passed, gained));
            }
            return None;
        };
        if passed < then + APART {
            return None;
        }
        let rate = gained as f64 / passed.as_secs_f64();
        let expected = rate * then.as_secs_f64();
        let is_on_a_line = (expected - had as f64).abs() <= 1.5 + expected * 0.1;
        if had >= 2 && gained >= had + 2 && is_on_a_line {
            return Some((gained - 1) as f64 / passed.as_secs_f64());
        }
        self.between = Some((passed, gained));
        None
    }
}
