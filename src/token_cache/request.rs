//! The request that a source of tokens gets.

use std::sync::Arc;

use super::TokenKey;

/// The request for one token, as a [source](super::TokenCacheLayer::new) gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    key: Arc<TokenKey>,
    reason: FetchReason,
}

/// Why a token is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FetchReason {
    /// There is none yet.
    Missing,
    /// The present one expires soon.
    Due,
    /// The present one has expired.
    Expired,
    /// The user [asked](super::TokenCacheHandle::force_refresh) for a new one.
    Forced,
    /// A server rejected the present one, though it should still be valid. A source that keeps its own tokens, or reads them
    /// from a file, must not return the same one again: without another it fails as
    /// [`Rejected`](crate::error::TokenErrorKind::Rejected).
    Rejected,
}

// === impl TokenRequest ===

impl TokenRequest {
    /// A request for the token of `key`.
    #[must_use]
    pub fn new(key: TokenKey, reason: FetchReason) -> Self {
        Self::shared(Arc::new(key), reason)
    }

    pub(super) const fn shared(key: Arc<TokenKey>, reason: FetchReason) -> Self {
        Self { key, reason }
    }

    /// What the token is for. With no parts, a source gives its own token.
    #[must_use]
    pub fn key(&self) -> &TokenKey {
        &self.key
    }

    /// Why it is requested.
    #[must_use]
    pub const fn reason(&self) -> FetchReason {
        self.reason
    }
}

// === impl FetchReason ===

impl FetchReason {
    /// The reason in snake case, as in events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Due => "due",
            Self::Expired => "expired",
            Self::Forced => "forced",
            Self::Rejected => "rejected",
        }
    }
}
