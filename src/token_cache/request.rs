//! What a source of tokens is asked.

use std::sync::Arc;

use super::TokenKey;

/// The request for one token, as a [source](super::TokenCacheLayer::new) gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    key: Arc<TokenKey>,
    reason: FetchReason,
}

/// Why a token is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FetchReason {
    /// There is none yet.
    Missing,
    /// The present one ends soon.
    Due,
    /// The present one has ended.
    Expired,
    /// A new one was [asked for by name](super::TokenCacheHandle::force_refresh).
    Forced,
    /// A server rejected the present one, though it should still be good. A source that keeps tokens of its own must not
    /// give the same again.
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

    /// Why it is asked for.
    #[must_use]
    pub const fn reason(&self) -> FetchReason {
        self.reason
    }
}

// === impl FetchReason ===

impl FetchReason {
    /// The reason in snake case, as it stands in events.
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
