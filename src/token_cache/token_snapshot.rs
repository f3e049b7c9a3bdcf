//! What there is to be seen of a key.

use std::{sync::Arc, time::Duration};

use super::{TokenError, TokenKey};
use crate::token_cache::TokenState;

/// The state of one key at one moment; see [`TokenCacheHandle::snapshot`](super::TokenCacheHandle::snapshot). It holds no token.
#[derive(Clone, Debug)]
pub struct KeySnapshot {
    pub(super) key: Arc<TokenKey>,
    pub(super) state: Option<TokenState>,
    pub(super) ends_in: Option<Duration>,
    pub(super) obtained: u64,
    pub(super) fetching: bool,
    pub(super) held_off: Option<TokenError>,
}

// === impl KeySnapshot ===

impl KeySnapshot {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &TokenKey {
        &self.key
    }

    /// What may be done with the present token; none if there is no token.
    #[must_use]
    pub const fn state(&self) -> Option<TokenState> {
        self.state
    }

    /// What is left of the present token's life, zero past its end; none if there is no token or it has no end.
    #[must_use]
    pub const fn ends_in(&self) -> Option<Duration> {
        self.ends_in
    }

    /// How many tokens have been obtained so far. It is also the `generation` of the last one in events.
    #[must_use]
    pub const fn obtained(&self) -> u64 {
        self.obtained
    }

    /// Whether a flight is under way.
    #[must_use]
    pub const fn is_fetching(&self) -> bool {
        self.fetching
    }

    /// The failure because of which no flight begins, with the time that is left as
    /// [`retry_after`](TokenError::retry_after); none if one may begin.
    #[must_use]
    pub const fn held_off(&self) -> Option<&TokenError> {
        self.held_off.as_ref()
    }
}
