//! Evidence that other processes take from the same quota.

use std::time::Duration;

use tokio::time::Instant;

use super::later;

/// The evidence that proves it, what any rate-limited response adds, and what a success takes off. More than one in fifteen rate
/// limited, continuously, is no way to learn a limit.
const PROOF: f64 = 1.0;
const ORDINARY: f64 = 0.03;
const ACCEPTED: f64 = 0.002;

/// A request that is this much older than the longest time for which the server was ever closed did not close it.
const QUIET: Duration = Duration::from_millis(500);

/// Evidence that other processes take from the same quota.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    weight: f64,
    /// When the first request was sent that was rate limited since the last success.
    closed: Option<Instant>,
    /// The longest time from such a request to the next success.
    closed_for: Duration,
    /// When the last success came.
    accepted: Option<Instant>,
    /// The last wait that the server asked for.
    retry_after: Option<Duration>,
    /// When the first success was sent, and the number of successes.
    first: Option<Instant>,
    count: u32,
}

// === impl Evidence ===

impl Evidence {
    pub(super) fn on_accepted(&mut self, sent: Instant, now: Instant) {
        if let Some(closed) = self.closed.take() {
            self.closed_for = self.closed_for.max(sent.saturating_duration_since(closed));
        }
        self.weight = (self.weight - ACCEPTED).max(0.0);
        self.accepted = Some(now);
        self.retry_after = None;
        self.first.get_or_insert(sent);
        self.count = self.count.saturating_add(1);
    }

    /// Returns whether there is proof. `foreign` is the likelihood that only other processes explain this response.
    pub(super) fn on_rate_limited(
        &mut self,
        sent: Instant,
        foreign: f64,
        retry_after: Option<Duration>,
    ) -> bool {
        // Nothing was sent for longer than this server is ever closed, and yet it was closed.
        let quiet = self.closed_for.saturating_mul(2).saturating_add(QUIET);
        let was_quiet = self.closed.is_none()
            && !self.closed_for.is_zero()
            && self.accepted.is_some_and(|accepted| later(accepted, quiet) < sent);
        // The wait was obeyed, and the server asks for another one that is as long.
        let is_asked_again = self
            .retry_after
            .is_some_and(|was| retry_after.is_some_and(|is| !is.is_zero() && is >= was));
        self.retry_after = retry_after;
        self.closed.get_or_insert(sent);
        let foreign = if was_quiet || is_asked_again { PROOF } else { foreign };
        // Before the first success, an earlier process may have used up the window.
        let foreign = if self.count == 0 { foreign / 2.0 } else { foreign };
        self.weight += foreign.max(ORDINARY);
        self.weight >= PROOF
    }

    /// The successes so far, per second.
    pub(super) fn rate(&self, now: Instant) -> f64 {
        let span = self.first.map_or(Duration::ZERO, |first| now.saturating_duration_since(first));
        f64::from(self.count) / span.max(Duration::from_secs(1)).as_secs_f64()
    }
}
