//! Which key's token one request is to carry.

use std::sync::Arc;

use super::token_key::TokenKey;

/// Set in a request's extensions: it is to carry the token of this key, whatever its endpoint says.
///
/// For keys that are only known when the request is made, an organization for example. Make one for each key and clone it,
/// which is cheap.
///
/// ```
/// use http::Request;
/// use tower_heed::token_cache::{TokenKey, TokenScope};
///
/// let scope = TokenScope::new(TokenKey::new().with_organization("org_1"));
/// let request = Request::get("https://api.example/invoices").extension(scope.clone()).body(())?;
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenScope(Arc<TokenKey>);

// === impl TokenScope ===

impl TokenScope {
    /// Selects the token of `key`.
    #[must_use]
    pub fn new(key: TokenKey) -> Self {
        Self(Arc::new(key))
    }

    /// The key whose token the request is to carry.
    #[must_use]
    pub fn key(&self) -> &TokenKey {
        &self.0
    }
}
