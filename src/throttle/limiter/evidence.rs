//! What tells that others take from the same quota.

use std::time::Duration;

use tokio::time::Instant;

use super::later;

/// What proves it, what any refusal adds to that, and what an accepted request takes off. More than one in fifteen refused, on
/// end, is no way to learn a limit.
const PROOF: f64 = 1.0;
const ORDINARY: f64 = 0.03;
const ACCEPTED: f64 = 0.002;

/// A server that was closed for so long after a refusal is not closed because of a request that was so much longer ago.
const QUIET: Duration = Duration::from_millis(500);

/// What tells that others take from the same quota.
#[derive(Debug, Default)]
pub(super) struct Signs {
    evidence: f64,
    /// The first refusal since something was accepted.
    closed: Option<Instant>,
    /// The longest that it was from such a refusal to what was accepted next.
    closed_for: Duration,
    accepted: Option<Instant>,
    /// How long the server last told to wait.
    told: Option<Duration>,
    /// The first that was accepted, and how many there were.
    first: Option<Instant>,
    count: u32,
}

// === impl Signs ===

impl Signs {
    pub(super) fn accepted(&mut self, sent: Instant, now: Instant) {
        if let Some(closed) = self.closed.take() {
            self.closed_for = self.closed_for.max(sent.saturating_duration_since(closed));
        }
        self.evidence = (self.evidence - ACCEPTED).max(0.0);
        self.accepted = Some(now);
        self.told = None;
        self.first.get_or_insert(sent);
        self.count = self.count.saturating_add(1);
    }

    /// Whether it is plain by now that there are others. `foreign` is how likely it is that nothing else explains
    /// this refusal.
    pub(super) fn refused(&mut self, sent: Instant, foreign: f64, told: Option<Duration>) -> bool {
        // Nothing was sent for longer than this server is ever closed, and it was closed.
        let quiet = self.closed_for.saturating_mul(2).saturating_add(QUIET);
        let was_quiet = self.closed.is_none()
            && !self.closed_for.is_zero()
            && self.accepted.is_some_and(|accepted| later(accepted, quiet) < sent);
        // It was waited as told, and nothing has come of it.
        let again = self.told.is_some_and(|was| told.is_some_and(|is| !is.is_zero() && is >= was));
        self.told = told;
        self.closed.get_or_insert(sent);
        let foreign = if was_quiet || again { PROOF } else { foreign };
        // Before anything was accepted, the window may be one that an earlier process had used up.
        let foreign = if self.count == 0 { foreign / 2.0 } else { foreign };
        self.evidence += foreign.max(ORDINARY);
        self.evidence >= PROOF
    }

    /// What was accepted so far, a second.
    pub(super) fn rate(&self, now: Instant) -> f64 {
        let span = self.first.map_or(Duration::ZERO, |first| now.saturating_duration_since(first));
        f64::from(self.count) / span.max(Duration::from_secs(1)).as_secs_f64()
    }
}
