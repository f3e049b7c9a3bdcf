//! What goes wrong in the simulated week, and what the issuer saw.

use std::time::Duration;

use http::StatusCode;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::Instant;

use super::HOUR;
use crate::error::{TokenError, TokenErrorKind};

/// One exchange, as the issuer saw it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    /// The time since the beginning, suspension included.
    pub(super) at: Duration,
    /// Whether the issuer could not be reached or did not respond: the cooldown has its own row for that.
    pub(super) unreachable: bool,
}

/// The state of the simulation.
pub(super) struct World {
    pub(super) random: StdRng,
    pub(super) begun: Instant,
    pub(super) suspended: Duration,
    pub(super) issuer_down_until: Instant,
    pub(super) api_rejects_until: Instant,
    pub(super) exchanges: Vec<Exchange>,
    pub(super) attempts: u32,
    pub(super) responses: u32,
}

// === impl World ===

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let now = Instant::now();
        Self {
            random: StdRng::seed_from_u64(seed),
            begun: now,
            suspended: Duration::ZERO,
            issuer_down_until: now,
            api_rejects_until: now,
            exchanges: Vec::new(),
            attempts: 0,
            responses: 0,
        }
    }

    pub(super) fn now(&self) -> Duration {
        Instant::now() - self.begun + self.suspended
    }

    pub(super) fn happens(&mut self, probability: f64) -> bool {
        self.random.random_bool(probability)
    }

    /// A failure of any kind, after any time; none if it goes well.
    pub(super) fn fault(&mut self) -> Option<(Duration, Option<TokenError>)> {
        if Instant::now() >= self.issuer_down_until && !self.happens(0.05) {
            return None;
        }
        let delay = Duration::from_millis(self.random.random_range(0..3000));
        let error = |failure| Some(TokenError::new(failure));
        Some(match self.random.random_range(0..7) {
            0 => (delay, error(TokenErrorKind::Unavailable)),
            1 => (delay, error(TokenErrorKind::Rejected)),
            2 => (delay, error(TokenErrorKind::Malformed)),
            3 => (delay, error(TokenErrorKind::RateLimited)),
            4 => {
                let wait = Duration::from_secs(self.random.random_range(0..900));
                let error = TokenError::new(TokenErrorKind::RateLimited)
                    .with_status(StatusCode::TOO_MANY_REQUESTS)
                    .with_retry_after(wait);
                (delay, Some(error))
            }
            // No response: the fetch's own time limit ends it.
            5 => (HOUR, error(TokenErrorKind::Timeout)),
            _ => (delay, None),
        })
    }
}
