//! The request that a source of tokens gets.

use std::{fmt, sync::Arc};

use http::{Extensions, HeaderMap, HeaderValue, header::WWW_AUTHENTICATE};

use super::{Token, TokenKey};
use crate::headers::challenge_parameter;

/// The request for one token, as a [source](super::TokenCacheLayer::new) gets it.
#[derive(Clone)]
pub struct TokenRequest {
    key: Arc<TokenKey>,
    reason: FetchReason,
    rejected: Option<Token>,
    /// The token that is to be replaced, or that was invalidated.
    #[cfg_attr(not(feature = "shared"), allow(dead_code, reason = "for a shared source"))]
    unwanted: Option<Token>,
    challenges: Vec<HeaderValue>,
    extensions: Extensions,
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

/// The number of challenges that are kept: real responses have one to four.
const MAX_CHALLENGES: usize = 16;

// === impl TokenRequest ===

impl TokenRequest {
    /// A request for the token of `key`.
    #[must_use]
    pub fn new(key: TokenKey, reason: FetchReason) -> Self {
        Self::shared(Arc::new(key), reason)
    }

    pub(super) fn shared(key: Arc<TokenKey>, reason: FetchReason) -> Self {
        let extensions = Extensions::new();
        Self { key, reason, rejected: None, unwanted: None, challenges: Vec::new(), extensions }
    }

    pub(super) fn with_unwanted(self, unwanted: Option<Token>) -> Self {
        Self { unwanted, ..self }
    }

    /// The token that another source must not give.
    #[cfg(feature = "shared")]
    pub(super) fn unwanted(&self) -> Option<&Token> {
        self.rejected.as_ref().or(self.unwanted.as_ref())
    }

    /// Sets the token that a server rejected, and takes the challenges from the headers of its response.
    #[must_use]
    pub fn with_rejected(self, token: Token, headers: &HeaderMap) -> Self {
        let challenges = headers.get_all(WWW_AUTHENTICATE).iter().take(MAX_CHALLENGES).cloned();
        Self { rejected: Some(token), challenges: challenges.collect(), ..self }
    }

    /// Sets the extensions of the HTTP request that needs the token.
    #[must_use]
    pub fn with_extensions(self, extensions: Extensions) -> Self {
        Self { extensions, ..self }
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

    /// The token that a server rejected; none for another [reason](FetchReason). A source that reads its tokens from somewhere
    /// compares: `request.rejected_token() == Some(&token)`.
    #[must_use]
    pub const fn rejected_token(&self) -> Option<&Token> {
        self.rejected.as_ref()
    }

    /// The `WWW-Authenticate` fields of the response that rejected the token, sixteen at most.
    #[must_use]
    pub fn challenges(&self) -> &[HeaderValue] {
        &self.challenges
    }

    /// The `claims` parameter of those challenges as it was sent: what the server wants the next token to hold. Microsoft Entra
    /// encodes it in Base64.
    #[must_use]
    pub fn claims(&self) -> Option<String> {
        challenge_parameter(&self.challenges, "claims")
    }

    /// The extensions of the HTTP request that needs the token: of the first one, if several wait for it. Empty for a fetch that
    /// a [handle](super::TokenCacheHandle) begins, and after a 401 to a request of which no copy was kept: its body cannot be sent
    /// twice, it has [`NoRetry`](crate::extensions::NoRetry), or the replay is
    /// [left to the retry layer](super::TokenCacheLayer::leave_replay_to_retry).
    #[must_use]
    pub const fn extensions(&self) -> &Extensions {
        &self.extensions
    }
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the challenges, which a server may fill with what it got, nor the extensions.
        f.debug_struct("TokenRequest")
            .field("key", &self.key)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
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
