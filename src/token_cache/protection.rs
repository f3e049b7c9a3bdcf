//! What limits the fetches of one key. It outlives the key's slot.

use std::{collections::BTreeMap, time::Duration};

use super::{TimePair, TokenError, rejection_limit::Rejections};
use crate::{cooldown::Cooldown, jitter};

/// The number of keys without a slot that are remembered: about two megabytes. When full, the one of a few whose limits end first
/// is forgotten.
const MAX_ENTRIES: usize = 16 * 1024;

/// How many of the remembered are compared.
const SAMPLES: usize = 8;

/// The limits of one key's fetches.
#[derive(Default)]
pub(super) struct Protection {
    pub(super) rejections: Rejections,
    /// The failures since the last token.
    failures: Cooldown,
    /// The last cooldown, which may be over.
    in_cooldown: Option<InCooldown>,
}

/// The time after a failure in which no fetch begins.
pub(super) struct InCooldown {
    pub(super) since: TimePair,
    pub(super) wait: Duration,
    pub(super) error: TokenError,
}

/// The limits of keys whose slots were evicted, by the keys' hashes.
#[derive(Default)]
pub(super) struct Remembered(BTreeMap<u64, Protection>);

// === impl Protection ===

impl Protection {
    /// Ends the cooldown after a success.
    pub(super) fn end_cooldown(&mut self) {
        self.in_cooldown = None;
        self.failures.reset();
    }

    /// Begins a cooldown after a failure, and returns its length. It lasts for `least` at least.
    pub(super) fn begin_cooldown(
        &mut self,
        now: TimePair,
        error: &TokenError,
        least: Duration,
        jitter: f64,
    ) -> Duration {
        let wait = self.failures.after(error.kind(), error.retry_after(), jitter).max(least);
        self.in_cooldown = Some(InCooldown { since: now, wait, error: error.clone() });
        wait
    }

    /// The failure because of which no fetch may begin, with the time that is left.
    pub(super) fn cooldown(&mut self, now: &TimePair) -> Option<TokenError> {
        let in_cooldown = self.in_cooldown.as_ref()?;
        let left = in_cooldown.left(now);
        if left.is_zero() {
            return None;
        }
        if in_cooldown.error.is_outdated() {
            // The rejected credentials were replaced: the next failure counts as the first.
            self.end_cooldown();
            return None;
        }
        Some(in_cooldown.error.clone().with_retry_after(left))
    }

    /// How long it still matters: zero if it is as that of a new key.
    fn left(&self, now: &TimePair) -> Duration {
        // A cooldown that is over leaves the number of failures, which the next one goes on from.
        let failures = self.in_cooldown.as_ref().map_or(Duration::ZERO, |held| {
            held.wait.saturating_mul(2).saturating_sub(now.since(&held.since))
        });
        failures.max(self.rejections.left(now.instant()))
    }
}

// === impl InCooldown ===

impl InCooldown {
    pub(super) fn left(&self, now: &TimePair) -> Duration {
        self.wait.saturating_sub(now.since(&self.since))
    }
}

// === impl Remembered ===

impl Remembered {
    /// Keeps what limits the fetches of an evicted key.
    pub(super) fn keep(&mut self, hash: u64, protection: Protection, now: &TimePair) {
        if protection.left(now).is_zero() {
            return;
        }
        if self.0.len() >= MAX_ENTRIES {
            let from = jitter::bits();
            let sample = self.0.range(from..).chain(self.0.range(..from)).take(SAMPLES);
            let first = sample.min_by_key(|(_, entry)| entry.left(now)).map(|(hash, _)| *hash);
            first.and_then(|first| self.0.remove(&first));
        }
        self.0.insert(hash, protection);
    }

    /// What limits the fetches of a key that has a slot again.
    pub(super) fn take(&mut self, hash: u64) -> Protection {
        self.0.remove(&hash).unwrap_or_default()
    }
}
