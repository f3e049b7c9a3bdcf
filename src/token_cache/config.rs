//! The settings of the layer.

use std::{sync::Arc, time::Duration};

use super::{RejectionLimit, TokenKey, origin::Origins};
use crate::{clock::Clock, policy::Endpoints};

/// What one endpoint gets; see [`TokenCacheLayer::endpoint`](super::TokenCacheLayer::endpoint).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    pub(super) attach: bool,
}

/// All that a cache is set to.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) origins: Origins,
    pub(super) endpoints: Endpoints<Config>,
    pub(super) key: Arc<TokenKey>,
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
    pub const fn without_token(self) -> Self {
        Self { attach: false }
    }

    /// Requests to this endpoint carry a token. They do unless this is said otherwise.
    #[must_use]
    pub const fn with_token(self) -> Self {
        Self { attach: true }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self { attach: true }
    }
}
