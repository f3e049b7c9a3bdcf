//! What is kept of a window for high-priority requests.

use std::time::Duration;

use tokio::time::Instant;

use super::{LimiterKind, limiter::Snapshot, queue::later};
use crate::extensions::Priority;

/// One in so many of a window's permits is kept for high-priority requests.
const RESERVE: u64 = 10;

/// The last of them is released in the last part of the window.
const RELEASED: f64 = 0.05;

/// Nothing is kept after this time without a high-priority request, or four windows.
const FORGET_HIGH_AFTER: Duration = Duration::from_secs(60);

/// A part of each window is kept for high-priority requests, once one has come.
#[derive(Debug, Default)]
pub(super) struct Reserve {
    /// When a high-priority request last came.
    high: Option<Instant>,
}

// === impl Reserve ===

impl Reserve {
    pub(super) fn on_request(&mut self, priority: Priority, now: Instant) {
        if priority == Priority::High {
            self.high = Some(now);
        }
    }

    /// Until when what is left of the window is kept. It is released bit by bit, so that none of it is lost.
    pub(super) fn until(&self, now: Instant, quota: impl FnOnce() -> Snapshot) -> Option<Instant> {
        let high = self.high?;
        let Snapshot { kind, limit, remaining, reset, .. } = quota();
        let (limit, left) =
            (limit.filter(|limit| *limit > 1)?, remaining.filter(|left| *left > 0)?);
        let reserve = (limit / RESERVE).max(1);
        if left > reserve {
            return None;
        }
        // Of any other limiter, permits come back all the time, and the next one is for the highest priority.
        let LimiterKind::FixedWindow { length } = kind else { return None };
        let window = length.or(reset)?;
        if now.saturating_duration_since(high) > (4 * window).max(FORGET_HIGH_AFTER) {
            return None;
        }
        let part = RELEASED + (left - 1) as f64 / reserve as f64;
        let wait = reset?.checked_sub(window.mul_f64(part))?;
        (!wait.is_zero()).then(|| later(now, wait))
    }
}
