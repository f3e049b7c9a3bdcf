//! The settings of the layer: plain data.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use super::{TokenKey, allowed_origin::AllowedOrigins, watch::RejectsToken};
use crate::{classify::ResponseHead, clock::Clock, endpoint::Endpoints};

/// The settings of one endpoint; see [`TokenCacheLayer::endpoint`](super::TokenCacheLayer::endpoint).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenConfig {
    pub(super) attach: bool,
    pub(super) key: TokenKey,
    pub(super) rejects: Option<RejectsToken>,
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
    /// Whether a request to another origin goes out without a token.
    pub(super) elsewhere: bool,
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
        Self { attach: true, key, rejects: None }
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

    /// Decides by `rejects` whether a response rejects the token, in place of the status 401 and its challenge: for an API that
    /// responds 403 to a token that has ended.
    ///
    /// ```
    /// use http::StatusCode;
    /// use tower_heed::token_cache::{StaticToken, TokenCacheLayer};
    ///
    /// TokenCacheLayer::new(StaticToken::new("sk_live_0123456789")?).endpoint("/legacy/{*rest}".parse()?, |config| {
    ///     config.rejects_token(|head| head.status() == StatusCode::FORBIDDEN && head.headers().contains_key("x-token-ended"))
    /// });
    /// # Ok::<(), tower_heed::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn rejects_token(
        self,
        rejects: impl Fn(&ResponseHead<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { rejects: Some(RejectsToken(Arc::new(rejects))), ..self }
    }
}
