//! The settings of the layer.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use super::{RejectionLimit, TokenKey, origin::Origins, slot::Slot};
use crate::{clock::Clock, endpoint::Endpoints};

/// What one endpoint gets; see [`TokenCacheLayer::endpoint`](super::TokenCacheLayer::endpoint).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub(super) attach: bool,
    pub(super) key: Option<TokenKey>,
}

/// What one endpoint gets, made ready.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) attach: bool,
    /// The slot of a key of its own; none for the layer's.
    pub(super) slot: Option<Arc<Slot>>,
}

/// All that a cache is set to.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) origins: Origins,
    pub(super) endpoints: Endpoints<Route>,
    pub(super) key: TokenKey,
    pub(super) max_keys: NonZeroUsize,
    pub(super) clock: Clock,
    pub(super) fetch_timeout: Duration,
    pub(super) max_wait: Duration,
    pub(super) grace_wait: Duration,
    pub(super) default_life: Duration,
    pub(super) max_life: Duration,
    pub(super) refresh_buffer: Option<Duration>,
    pub(super) rejection_limit: RejectionLimit,
    pub(super) replay: Replay,
}

/// Who sends a request again whose token was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replay {
    Here,
    Outside,
}

// === impl Config ===

impl Config {
    /// Requests to this endpoint carry no token, and may go to any origin.
    #[must_use]
    pub fn without_token(self) -> Self {
        Self { attach: false, ..self }
    }

    /// Requests to this endpoint carry a token. They do unless this is said otherwise.
    #[must_use]
    pub fn with_token(self) -> Self {
        Self { attach: true, ..self }
    }

    /// Requests to this endpoint carry the token of `key`, and not that of the layer's key. A
    /// [`TokenScope`](super::TokenScope) in a request's extensions comes before it.
    #[must_use]
    pub fn key(self, key: TokenKey) -> Self {
        Self { key: Some(key), ..self }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self { attach: true, key: None }
    }
}
