//! Which key is evicted when there are too many.
//!
//! The least recently used one would be a cliff: of 65 keys that take turns in 64 slots, each would be evicted just before it is used
//! again. So a few are drawn and the least useful of those goes, and among equals chance decides: of those 65, about one is missing
//! at any time.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use tokio::time::Instant;
use tracing::warn;

use super::{TimePair, cache::TARGET, slot::Slot};
use crate::jitter;

/// How many slots are compared.
const SAMPLES: u64 = 16;

/// A slot is idle when as many lookups as this many times all slots have passed without one of it.
const IDLE_ROUNDS: u64 = 8;

/// The least time between two events.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// The good tokens that were evicted.
#[derive(Debug, Default)]
pub(super) struct Evictions {
    since_logged: u64,
    logged: Option<Instant>,
}

/// How useful a slot is, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    NoToken,
    Idle,
    Once,
    Often,
}

/// The place of the slot to evict, and whether its token is still good; none if all that were drawn are in use.
pub(super) fn choose(
    slots: &[Arc<Slot>],
    uses: u64,
    max_keys: NonZeroUsize,
    now: &TimePair,
) -> Option<(usize, bool)> {
    let len = u64::try_from(slots.len()).ok().filter(|len| *len > 0)?;
    let first = jitter::bits() % len;
    let idle_after = IDLE_ROUNDS.saturating_mul(len.max(64)).max(max_keys.get() as u64);
    let mut chosen: Option<(Use, usize)> = None;
    for drawn in 0..SAMPLES {
        // Of a few slots each is looked at.
        let next = if len > SAMPLES { jitter::bits() } else { first + drawn };
        let place = usize::try_from(next % len).ok()?;
        let Some(slot) = slots.get(place).filter(|slot| !is_in_use(slot)) else { continue };
        let usefulness = Use::of(slot, uses, idle_after, now);
        if chosen.is_none_or(|(least, _)| usefulness < least) {
            chosen = Some((usefulness, place));
        }
        if usefulness == Use::NoToken {
            break;
        }
    }
    chosen.map(|(usefulness, place)| (place, usefulness != Use::NoToken))
}

/// Whether a call or a fetch has it, besides its bucket and the list.
fn is_in_use(slot: &Arc<Slot>) -> bool {
    Arc::strong_count(slot) > 2
}

pub(super) fn log(stack: Option<&str>, max_keys: NonZeroUsize, evicted: u64) {
    warn!(target: TARGET, stack, max_keys, evicted, "too many keys: a token that is still good was evicted");
}

// === impl Evictions ===

impl Evictions {
    /// Counts one. The number since the last event, if another one is due.
    pub(super) fn count(&mut self, now: Instant) -> Option<u64> {
        self.since_logged += 1;
        let is_early = |last: Instant| now.saturating_duration_since(last) < LOG_EVERY;
        if self.logged.is_some_and(is_early) {
            return None;
        }
        self.logged = Some(now);
        Some(std::mem::take(&mut self.since_logged))
    }
}

// === impl Use ===

impl Use {
    fn of(slot: &Slot, uses: u64, idle_after: u64, now: &TimePair) -> Self {
        let expires_in = slot.current().map(|cached| cached.expires_in(now));
        match expires_in {
            None | Some(Some(Duration::ZERO)) => Self::NoToken,
            _ if uses.saturating_sub(slot.used()) > idle_after => Self::Idle,
            _ if slot.was_used_once() => Self::Once,
            _ => Self::Often,
        }
    }
}
