//! The settings of the layer: plain data.

use std::{num::NonZeroUsize, time::Duration};

use super::{TokenKey, allowed_origin::AllowedOrigins};
use crate::{clock::Clock, endpoint::Endpoints};

/// The settings of one endpoint; see [`TokenCacheLayer::endpoint`](super::TokenCacheLayer::endpoint).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenConfig {
    pub(super) attach: bool,
    pub(super) key: TokenKey,
}

/// The settings of a layer.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) origins: AllowedOrigins,
    pub(super) endpoints: Endpoints<TokenConfig>,
    pub(super) max_keys: NonZeroUsize,
    pub(super) clock: Clock,
    pub(super) fetch_timeout: Duration,
    pub(super) max_wait: Duration,
    pub(super) grace_wait: Duration,
    pub(super) default_lifetime: Duration,
    pub(super) max_lifetime: Duration,
    pub(super) refresh_buffer: Option<Duration>,
    pub(super) replay: Replay,
}

/// Which layer sends a request again whose token was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replay {
    Here,
    Outside,
}

// === impl TokenConfig ===

impl TokenConfig {
    pub(super) const fn new(key: TokenKey) -> Self {
        Self { attach: true, key }
    }

    /// Requests to this endpoint carry no token, and may go to any origin.
    #[must_use]
    pub fn without_token(self) -> Self {
        Self { attach: false, ..self }
    }

    /// Undoes [`without_token`](Self::without_token): an exception from a wider pattern.
    #[must_use]
    pub fn with_token(self) -> Self {
        Self { attach: true, ..self }
    }

    /// Requests to this endpoint carry the token of `key`, unless they have a [`TokenScope`](super::TokenScope) in their
    /// extensions.
    #[must_use]
    pub fn key(self, key: TokenKey) -> Self {
        Self { key, ..self }
    }
}
