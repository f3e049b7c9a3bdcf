//! The token besides the present one: the one before it, which is kept until it expires, in case the API does not know the new one yet.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    cache::Cache,
    cached::Cached,
    slot::{Slot, State},
};

/// How long the previous token is used when the new one was refused, before that is tried again; it doubles up to the longest.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// The token besides the present one.
#[derive(Debug)]
pub(super) enum Spare {
    /// The one before.
    Previous { token: Arc<Cached>, refusals: u32 },
    /// The next one, which was refused. Until it is tried again the one before is the present one.
    Refused { token: Arc<Cached>, refusals: u32, until: Instant },
}

// === impl Cache ===

impl Cache {
    /// Keeps the present token as the previous one, where the next one has come early.
    pub(super) fn keep_previous(&self, state: &mut State, next: &Arc<Cached>) {
        let present = self.slot().current();
        let previous = present.filter(|token| {
            token.is_usable(&self.settings().clock) && token.generation() < next.generation()
        });
        state.spare = previous.map(|token| Spare::Previous { token, refusals: 0 });
    }

    /// The present token was refused: the one before it becomes the present one, if there is one.
    pub(super) fn step_back(
        &self,
        state: &mut State,
        refused: &Arc<Cached>,
    ) -> Option<Arc<Cached>> {
        let clock = &self.settings().clock;
        let is_usable = |spare: &Spare| matches!(spare, Spare::Previous { token, .. } if token.is_usable(clock));
        let Some(Spare::Previous { token, refusals }) =
            state.spare.take_if(|spare| is_usable(spare))
        else {
            return None;
        };
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(refusals)).min(LONGEST);
        let (until, refused) = (clock.now() + wait, Arc::clone(refused));
        let refusals = refusals.saturating_add(1).min(16);
        state.spare = Some(Spare::Refused { token: refused, refusals, until });
        self.slot().replace(state, Some(Arc::clone(&token)));
        Some(token)
    }

    /// Whether the present token is the previous one. When it is time to try the next one again, or the present one has expired, that
    /// becomes the present one first.
    pub(super) fn uses_previous(&self, state: &mut State) -> bool {
        let clock = &self.settings().clock;
        match &state.spare {
            Some(Spare::Refused { until, .. }) if clock.now() < *until => {
                let present = self.slot().current();
                let is_usable = present.is_some_and(|present| present.is_usable(clock));
                if !is_usable {
                    step_forward(self.slot(), state);
                }
                is_usable
            }
            Some(Spare::Refused { .. }) => {
                step_forward(self.slot(), state);
                false
            }
            Some(Spare::Previous { .. }) | None => false,
        }
    }

    /// The present token, which is the previous one, was rejected as well: the next one becomes the present one.
    pub(super) fn drop_previous(&self, state: &mut State) -> Option<Arc<Cached>> {
        if !matches!(state.spare, Some(Spare::Refused { .. })) {
            return None;
        }
        step_forward(self.slot(), state);
        state.spare = None;
        self.slot().current()
    }
}

/// The next token becomes the present one, and the present one the previous.
fn step_forward(slot: &Slot, state: &mut State) {
    if let Some(Spare::Refused { token, refusals, .. }) = state.spare.take() {
        let present = slot.current();
        state.spare = present.map(|token| Spare::Previous { token, refusals });
        slot.replace(state, Some(token));
    }
}
