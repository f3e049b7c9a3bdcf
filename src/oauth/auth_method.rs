/// How a client sends its secret,
/// [RFC 6749 §2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthMethod {
    /// Id and secret in the body.
    #[default]
    ClientSecretPost,
    /// Id and secret, each form-encoded first, in an `Authorization: Basic` header.
    ClientSecretBasic,
    /// The same without the form encoding, for issuers that do not decode it. It differs only if the id or the secret has
    /// other characters than letters, digits and `-._~`.
    ClientSecretBasicRaw,
}

// === impl AuthMethod ===

impl AuthMethod {
    /// The name that OpenID Connect registers for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretPost => "client_secret_post",
            Self::ClientSecretBasic | Self::ClientSecretBasicRaw => "client_secret_basic",
        }
    }
}
