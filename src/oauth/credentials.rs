//! The credentials of a client.

use std::{
    fmt,
    future::Future,
    io::Read,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use zeroize::Zeroizing;

#[cfg(feature = "private-key-jwt")]
use super::PrivateKey;
use crate::{
    BoxError,
    error::{InvalidConfig, TokenError, TokenErrorKind},
};

/// The credentials of a client: a secret, a private key, an assertion that a platform writes, or none. They can be replaced while
/// the program runs.
///
/// | the client has | constructor |
/// |---|---|
/// | a secret | [`secret`](Self::secret), or a `&str` or `String` in its place |
/// | a private key | `key`, or a `PrivateKey` in its place (feature `private-key-jwt`) |
/// | a file that the platform rotates: workload identity of Kubernetes, Azure, GitHub Actions | [`assertion_file`](Self::assertion_file) |
/// | a service that signs for it: a KMS, a SPIFFE agent | [`assertion`](Self::assertion) |
/// | nothing: a public client, a command-line tool for example | [`public`](Self::public) |
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
    Assertion(WrittenAssertion),
    Public,
}

/// An assertion that is written elsewhere, anew for each exchange.
pub(super) type WrittenAssertion = Box<dyn Fn() -> AssertionFuture + Send + Sync>;

type AssertionFuture = Pin<Box<dyn Future<Output = Result<Zeroizing<String>, BoxError>> + Send>>;

/// An assertion is a token, and no token is longer.
const MAX_FILE_LEN: u64 = 64 * 1024;

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

    /// An assertion that the platform writes into a file and replaces before it expires: the file is read for each exchange. White
    /// space around it is ignored.
    ///
    /// ```
    /// use tower_heed::oauth::Credentials;
    ///
    /// // Kubernetes: a projected service account token. Azure sets AZURE_FEDERATED_TOKEN_FILE.
    /// let credentials = Credentials::assertion_file("/var/run/secrets/tokens/issuer");
    /// # drop(credentials);
    /// ```
    #[must_use]
    pub fn assertion_file(path: impl AsRef<Path>) -> Self {
        let path: Arc<Path> = path.as_ref().into();
        Self::assertion(move || {
            let path = path.to_path_buf();
            async move { tokio::task::spawn_blocking(move || read(path)).await? }
        })
    }

    /// An assertion that `write` makes for each exchange: from a KMS, or an agent on the machine. It is sent as `client_assertion`
    /// of the type `jwt-bearer` ([RFC 7523 §2.2](https://www.rfc-editor.org/rfc/rfc7523#section-2.2)), within the exchange's time
    /// limit. An error fails the exchange: a [`TokenError`] as it is, and any other as a rejection with this source.
    #[must_use]
    pub fn assertion<F, Fut, T>(write: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, BoxError>> + Send + 'static,
        T: Into<String>,
    {
        Self::of(Proof::Assertion(Box::new(move || {
            let written = write();
            Box::pin(async move { Ok(Zeroizing::new(written.await?.into())) })
        })))
    }

    /// No credentials: only the client's id is sent
    /// ([RFC 6749 §2.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.1)).
    #[must_use]
    pub fn public() -> Self {
        Self::of(Proof::Public)
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
            Proof::Assertion(_) => "private_key_jwt",
            Proof::Public => "none",
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
            // They hold nothing that stays the same: the client's id tells them apart.
            Proof::Assertion(_) | Proof::Public => take(b""),
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

fn read(path: PathBuf) -> Result<String, BoxError> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_FILE_LEN).read_to_string(&mut text)?;
    let text = Zeroizing::new(text);
    Ok(text.trim().to_owned())
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
