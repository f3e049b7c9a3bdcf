//! A credential that does not change.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use http::HeaderName;
use tower_service::Service;

use super::{Token, TokenRequest};
use crate::error::InvalidConfig;

/// A source that always returns the same token, for APIs with a fixed key such as Clerk's `sk_live_…`.
///
/// `StaticToken::from(token)` takes a [`Token`] with another scheme or header field.
///
/// The token is never refreshed, and after a 401 there is no other: the caller gets the 401.
///
/// ```
/// use tower_heed::token_cache::{StaticToken, TokenCacheLayer};
///
/// let key = StaticToken::new("sk_live_0123456789")?;
/// let layer = TokenCacheLayer::new(key).allow_origin("https://api.clerk.com".parse()?);
/// # Ok::<(), tower_heed::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug)]
pub struct StaticToken(Token);

// === impl StaticToken ===

impl StaticToken {
    /// The token to be sent as `Authorization: Bearer …`.
    ///
    /// # Errors
    ///
    /// It is empty, or holds anything but visible ASCII characters: a line break at the end of a file,
    /// for example. The error does not show it.
    pub fn new(access_token: impl AsRef<[u8]>) -> Result<Self, InvalidConfig> {
        match Token::prepare(access_token.as_ref()) {
            Some(token) => Ok(Self(token.fixed())),
            None => Err(InvalidConfig::new(
                "static token",
                "expected one or more visible ASCII characters, and no line break at the end",
            )),
        }
    }

    pub(super) const fn header_name(&self) -> &HeaderName {
        self.0.header_name()
    }
}

/// With another scheme or header field: see [`Token`].
impl From<Token> for StaticToken {
    fn from(token: Token) -> Self {
        Self(token.fixed())
    }
}

impl Service<TokenRequest> for StaticToken {
    type Response = Token;
    type Error = Infallible;
    type Future = Ready<Result<Token, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: TokenRequest) -> Self::Future {
        ready(Ok(self.0.clone()))
    }
}
