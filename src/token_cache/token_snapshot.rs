//! The state of a key.

use std::{sync::Arc, time::Duration};

use super::{TokenError, TokenKey, TokenState};

/// The state of one key at one time; see [`TokenCacheHandle::snapshot`](super::TokenCacheHandle::snapshot). It holds no token.
#[derive(Clone, Debug)]
pub struct TokenSnapshot {
    pub(super) key: Arc<TokenKey>,
    pub(super) state: Option<TokenState>,
    pub(super) expires_in: Option<Duration>,
    pub(super) obtained: u64,
    pub(super) shared: bool,
    pub(super) fetching: bool,
    pub(super) cooldown: Option<TokenError>,
    pub(super) rejected: bool,
}

// === impl TokenSnapshot ===

impl TokenSnapshot {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &TokenKey {
        &self.key
    }

    /// The state of the present token; none if there is no token.
    #[must_use]
    pub const fn state(&self) -> Option<TokenState> {
        self.state
    }

    /// The present token's remaining lifetime, zero once it has expired; none if there is no token or it does not expire.
    #[must_use]
    pub const fn expires_in(&self) -> Option<Duration> {
        self.expires_in
    }

    /// The number of tokens obtained so far. It is also the `generation` of the last one in events.
    #[must_use]
    pub const fn obtained(&self) -> u64 {
        self.obtained
    }

    /// Whether the present token was taken from a store (`Shared`), where another process or layer had put it, and not got from the
    /// issuer.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        self.shared
    }

    /// Whether a fetch is in flight.
    #[must_use]
    pub const fn is_fetching(&self) -> bool {
        self.fetching
    }

    /// Whether the key's tenant is signed out: a server has rejected the present token, no other one could be had, and none has
    /// accepted it since; or the source's failure is [final](TokenError::is_final).
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        self.rejected || self.cooldown.as_ref().is_some_and(TokenError::is_final)
    }

    /// The failure behind the present cooldown, with the time that is left as
    /// [`retry_after`](TokenError::retry_after); none if a fetch may begin.
    #[must_use]
    pub const fn cooldown(&self) -> Option<&TokenError> {
        self.cooldown.as_ref()
    }
}
