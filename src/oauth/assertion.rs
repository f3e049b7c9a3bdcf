//! Assertions: signed statements by which a client, a service account or an app proves itself.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::PrivateKey;
use crate::error::{TokenError, TokenErrorKind};

/// The life of an assertion: Auth0 advises at most a minute, and takes five.
const LIFETIME: Duration = Duration::from_secs(60);

/// How much earlier an assertion is dated: an issuer whose clock is a little behind rejects one from its future.
pub(super) const BACKDATED: Duration = Duration::from_secs(10);

/// A signed statement about a client, an app or a user: a JWT ([RFC 7523](https://www.rfc-editor.org/rfc/rfc7523)).
///
/// The sources make theirs by themselves. This is for what no source is there for: the token by which a GitHub App calls as itself,
/// or an assertion for a grant of your own.
///
/// ```no_run
/// use std::time::{Duration, SystemTime};
/// use tower_heed::{oauth::{Assertion, PrivateKey, SigningAlgorithm}, token_cache::Token};
///
/// # fn main() -> Result<(), tower_heed::BoxError> {
/// let key = PrivateKey::from_pem(SigningAlgorithm::Rs256, std::fs::read("app.private-key.pem")?)?;
/// let app = Assertion::new(key).issuer("Iv23liAbCdEf").lifetime(Duration::from_secs(540));
/// let token = Token::bearer(app.sign(SystemTime::now())?.as_bytes())?;
/// # drop(token);
/// # Ok(())
/// # }
/// ```
///
/// # Defaults
///
/// The `alg` and `kid` of the key; the `typ` `JWT`; a random `jti`; an `iat` ten seconds before the time of signing, for issuers whose
/// clock is behind; an `exp` of one minute after it.
#[derive(Clone)]
pub struct Assertion {
    key: PrivateKey,
    typ: String,
    lifetime: Duration,
    claims: Map<String, Value>,
}

// === impl Assertion ===

impl Assertion {
    /// An assertion that `key` signs, without `iss`, `sub` and `aud`.
    #[must_use]
    pub fn new(key: PrivateKey) -> Self {
        Self { key, typ: "JWT".to_owned(), lifetime: LIFETIME, claims: Map::new() }
    }

    /// Sets `iss`: who asserts.
    #[must_use]
    pub fn issuer(self, issuer: impl Into<String>) -> Self {
        self.claim("iss", issuer.into())
    }

    /// Sets `sub`: about whom.
    #[must_use]
    pub fn subject(self, subject: impl Into<String>) -> Self {
        self.claim("sub", subject.into())
    }

    /// Sets `aud`: to whom.
    #[must_use]
    pub fn audience(self, audience: impl Into<String>) -> Self {
        self.claim("aud", audience.into())
    }

    /// Sets the time from signing to `exp`, in whole seconds; at least one, and 24 hours at most.
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        let lifetime = lifetime.clamp(Duration::from_secs(1), Duration::from_secs(24 * 60 * 60));
        Self { lifetime, ..self }
    }

    /// Sets the `typ` of the header: `client-authentication+jwt` for some issuers.
    #[must_use]
    pub fn typ(self, typ: impl Into<String>) -> Self {
        Self { typ: typ.into(), ..self }
    }

    /// Sets a claim, in place of a default one too: a string, a number, or any [`serde_json::Value`].
    #[must_use]
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Signs it at the time `now`.
    ///
    /// # Errors
    ///
    /// [`TokenErrorKind::Rejected`] if the key cannot sign.
    pub fn sign(&self, now: SystemTime) -> Result<Zeroizing<String>, TokenError> {
        self.signed(now).ok_or_else(|| {
            let error = TokenError::new(TokenErrorKind::Rejected);
            error.with_source("the assertion cannot be signed")
        })
    }

    fn signed(&self, now: SystemTime) -> Option<Zeroizing<String>> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut claims = self.claims.clone();
        for (name, value) in [
            ("jti", Value::from(random_id()?)),
            ("iat", now.saturating_sub(BACKDATED).as_secs().into()),
            ("exp", (now + self.lifetime).as_secs().into()),
        ] {
            claims.entry(name).or_insert(value);
        }
        let mut header = Map::new();
        header.insert("typ".to_owned(), self.typ.as_str().into());
        self.key.jwt(header, claims)
    }
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertion")
            .field("key", &self.key)
            .field("typ", &self.typ)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// A `jti` that was never used before.
pub(super) fn random_id() -> Option<String> {
    let mut id = [0; 16];
    SystemRandom::new().fill(&mut id).ok()?;
    Some(BASE64_URL_SAFE_NO_PAD.encode(id))
}
