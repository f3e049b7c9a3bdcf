//! The credentials of a client.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use zeroize::Zeroizing;

#[cfg(feature = "private-key-jwt")]
use super::PrivateKey;
use crate::error::{InvalidConfig, TokenError, TokenErrorKind};

/// The credentials of a client: a secret, or a private key. They can be replaced while the program runs.
///
/// Clones share one value, so keep one and give another to the source: every exchange uses the value of that time. If a secret
/// comes from outside (a mounted file, a vault), call [`replace`](Self::replace) when it changes; reading it within an exchange
/// would let a slow vault block every caller.
///
/// Each replacement increments the [`version`](Self::version). The cooldown after the issuer *rejected* an earlier version ends
/// at once: its error is [outdated](TokenError::outdated_when).
///
/// ```
/// use tower_heed::oauth::Credentials;
///
/// let credentials = Credentials::secret("s3cr3t")?;
/// let kept = credentials.clone();
/// // … `credentials` goes into a source. Later, when the secret was rotated:
/// kept.replace("n3w-s3cr3t")?;
/// assert_eq!((credentials.version(), kept.version()), (1, 1));
/// assert!(!format!("{kept:?}").contains("n3w"));
/// # Ok::<(), tower_heed::error::InvalidConfig>(())
/// ```
#[derive(Clone)]
pub struct Credentials(Arc<Shared>);

struct Shared {
    proof: ArcSwap<Proof>,
    version: AtomicU64,
}

/// One credential. Its bytes are wiped when the last exchange that uses it has ended.
pub(super) enum Proof {
    Secret(Zeroizing<String>),
    #[cfg(feature = "private-key-jwt")]
    Key(PrivateKey),
}

// === impl Credentials ===

impl Credentials {
    /// A secret, which is sent to the issuer. Wherever credentials are expected, a `&str` or a `String` works too.
    ///
    /// # Errors
    ///
    /// It is empty or has a control character, a line break at the end for example. The error does not show it.
    pub fn secret(secret: impl Into<String>) -> Result<Self, InvalidConfig> {
        let secret = Zeroizing::new(secret.into());
        reject_unsendable("client secret", &secret)?;
        Ok(Self::of(Proof::Secret(secret)))
    }

    /// A private key, which is never sent: it signs an assertion for each attempt.
    #[cfg(feature = "private-key-jwt")]
    #[must_use]
    pub fn key(key: PrivateKey) -> Self {
        Self::of(Proof::Key(key))
    }

    /// Replaces the value, for all clones, by the present value of `other`.
    ///
    /// # Errors
    ///
    /// As [`secret`](Self::secret); the value then stays as it was.
    pub fn replace<C>(&self, other: C) -> Result<(), InvalidConfig>
    where
        C: TryInto<Self>,
        C::Error: Into<InvalidConfig>,
    {
        let other = other.try_into().map_err(Into::into)?;
        self.0.proof.store(other.0.proof.load_full());
        // After the proof: an exchange reads the version first, and may then use a newer proof and be repeated for nothing. It
        // never uses an older proof, whose rejection would count against the newer one.
        self.0.version.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// The number of replacements.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.0.version.load(Ordering::Acquire)
    }

    /// The name of the authentication method; `secret` is the one for a secret.
    pub(super) fn method_name(&self, secret: &'static str) -> &'static str {
        match **self.0.proof.load() {
            Proof::Secret(_) => secret,
            #[cfg(feature = "private-key-jwt")]
            Proof::Key(_) => "private_key_jwt",
        }
    }

    pub(super) fn proof(&self) -> Arc<Proof> {
        self.0.proof.load_full()
    }

    /// What tells these credentials from others. It is a secret, as they are.
    #[cfg(feature = "shared")]
    pub(crate) fn with_identity<T>(&self, take: impl FnOnce(&[u8]) -> T) -> T {
        match &*self.proof() {
            Proof::Secret(secret) => take(secret.as_bytes()),
            #[cfg(feature = "private-key-jwt")]
            Proof::Key(key) => take(key.public_key()),
        }
    }

    /// The error of an exchange that began with `version`: a rejection is outdated once that is replaced.
    pub(crate) fn outdate(&self, version: u64, error: TokenError) -> TokenError {
        if error.kind() != TokenErrorKind::Rejected {
            return error;
        }
        let credentials = self.clone();
        error.outdated_when(move || credentials.version() != version)
    }

    fn of(proof: Proof) -> Self {
        Self(Arc::new(Shared { proof: ArcSwap::from_pointee(proof), version: AtomicU64::new(0) }))
    }
}

impl TryFrom<&str> for Credentials {
    type Error = InvalidConfig;

    fn try_from(secret: &str) -> Result<Self, InvalidConfig> {
        Self::secret(secret)
    }
}

impl TryFrom<String> for Credentials {
    type Error = InvalidConfig;

    fn try_from(secret: String) -> Result<Self, InvalidConfig> {
        Self::secret(secret)
    }
}

#[cfg(feature = "private-key-jwt")]
impl From<PrivateKey> for Credentials {
    fn from(key: PrivateKey) -> Self {
        Self::key(key)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("kind", &self.method_name("secret"))
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

/// Secrets and ids are `*VSCHAR` (RFC 6749, appendices A.1 and A.2). Other characters beyond ASCII are sent as UTF-8, since issuers
/// accept them; a control character is always a mistake, most often the line break at the end of a file.
pub(super) fn reject_unsendable(what: &'static str, value: &str) -> Result<(), InvalidConfig> {
    if value.is_empty() {
        return Err(InvalidConfig::new(what, "it is empty"));
    }
    if value.chars().any(char::is_control) {
        let why = "it holds a control character, perhaps a line break at the end";
        return Err(InvalidConfig::new(what, why));
    }
    Ok(())
}
