//! A client's private key, and the assertions that it signs.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
        RsaEncoding, RsaKeyPair,
    },
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::error::InvalidConfig;

/// The private key of a client that proves itself by a signature (`private_key_jwt`,
/// [RFC 7523 §2.2](https://www.rfc-editor.org/rfc/rfc7523#section-2.2)): nothing secret is sent.
///
/// Each attempt to get a token has its own [`Assertion`](super::Assertion), since an issuer accepts each only once: a fresh `jti`, an
/// `iat` of ten seconds ago and an `exp` in one minute, by the issuer's clock as its `Date` headers tell it. `Debug` does not show the key; its memory is wiped when the last copy goes.
///
/// ```no_run
/// use tower_heed::oauth::{PrivateKey, SigningAlgorithm};
///
/// # fn main() -> Result<(), tower_heed::BoxError> {
/// let pem = std::fs::read("client-key.pem")?;
/// let key = PrivateKey::from_pem(SigningAlgorithm::Rs256, pem)?.key_id("2026-11");
/// # drop(key);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PrivateKey {
    algorithm: SigningAlgorithm,
    key_id: Option<String>,
    thumbprint: Option<String>,
    pair: Arc<Pair>,
}

/// How an assertion is signed. The issuer must be configured with the same algorithm, together with the public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SigningAlgorithm {
    /// RSA with PKCS #1 v1.5 and SHA-256. Every issuer takes it.
    Rs256,
    /// RSA with PSS and SHA-256.
    Ps256,
    /// ECDSA with P-256 and SHA-256: short keys and short assertions.
    Es256,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

// === impl PrivateKey ===

impl PrivateKey {
    /// The key in a PEM file: PKCS #8 (`BEGIN PRIVATE KEY`), PKCS #1 (`BEGIN RSA PRIVATE KEY`) or SEC 1
    /// (`BEGIN EC PRIVATE KEY`).
    ///
    /// # Errors
    ///
    /// There is no private key in it, or it is not of the kind that `algorithm` needs: RSA of 2048 to 8192 bits, or P-256.
    /// The error shows nothing of it.
    pub fn from_pem(
        algorithm: SigningAlgorithm,
        pem: impl AsRef<[u8]>,
    ) -> Result<Self, InvalidConfig> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_ref())
            .map_err(|_| InvalidConfig::new("private key", "there is none in the PEM text"))?;
        // It is not wiped by itself.
        let der = Zeroizing::new(der);
        let pair = match algorithm {
            SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => rsa(&der).map(Pair::Rsa),
            SigningAlgorithm::Es256 => ec(&der).map(Pair::Ec),
        };
        let why = format!("it is no {}, which {} needs", algorithm.needs(), algorithm.as_str());
        let pair = pair.ok_or_else(|| InvalidConfig::new("private key", why))?;
        Ok(Self::of(algorithm, pair))
    }

    /// Sets the `kid` by which the issuer finds the public key. Needed where it knows several of this client.
    #[must_use]
    pub fn key_id(self, key_id: impl Into<String>) -> Self {
        Self { key_id: Some(key_id.into()), ..self }
    }

    #[cfg(feature = "shared")]
    pub(super) fn public_key(&self) -> &[u8] {
        match &*self.pair {
            Pair::Rsa(pair) => pair.public_key().as_ref(),
            Pair::Ec(pair) => pair.public_key().as_ref(),
        }
    }

    /// Names the certificate of the public key by its thumbprint, `x5t#S256`: Microsoft Entra finds the key by it.
    ///
    /// # Errors
    ///
    /// There is no certificate in the PEM text.
    pub fn certificate(self, pem: impl AsRef<[u8]>) -> Result<Self, InvalidConfig> {
        let der = CertificateDer::from_pem_slice(pem.as_ref())
            .map_err(|_| InvalidConfig::new("certificate", "there is none in the PEM text"))?;
        let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, &der));
        Ok(Self { thumbprint: Some(thumbprint), ..self })
    }

    /// A new key on the curve P-256.
    pub(super) fn generate() -> Option<Self> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
        Some(Self::of(SigningAlgorithm::Es256, Pair::Ec(pair)))
    }

    /// The public key of one on a curve, as an uncompressed point.
    pub(super) fn public_point(&self) -> Option<&[u8]> {
        match &*self.pair {
            Pair::Ec(pair) => Some(pair.public_key().as_ref()),
            Pair::Rsa(_) => None,
        }
    }

    /// A JWT with these headers and claims; none if the signature fails.
    pub(super) fn jwt(
        &self,
        mut header: Map<String, Value>,
        claims: Map<String, Value>,
    ) -> Option<Zeroizing<String>> {
        header.insert("alg".to_owned(), self.algorithm.as_str().into());
        for (name, value) in [("kid", &self.key_id), ("x5t#S256", &self.thumbprint)] {
            if let Some(value) = value {
                header.insert(name.to_owned(), value.as_str().into());
            }
        }
        let encode = |part| BASE64_URL_SAFE_NO_PAD.encode(Value::Object(part).to_string());
        let signed = Zeroizing::new(format!("{}.{}", encode(header), encode(claims)));
        let signature = BASE64_URL_SAFE_NO_PAD.encode(self.sign(signed.as_bytes())?);
        // An assertion is a credential for its minute, so it is wiped; a buffer that grows would leave copies behind.
        let mut jwt = Zeroizing::new(String::with_capacity(signed.len() + 1 + signature.len()));
        jwt.extend([signed.as_str(), ".", signature.as_str()]);
        Some(jwt)
    }

    fn of(algorithm: SigningAlgorithm, pair: Pair) -> Self {
        Self { algorithm, key_id: None, thumbprint: None, pair: Arc::new(pair) }
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &*self.pair {
            Pair::Rsa(pair) => {
                let padding: &'static dyn RsaEncoding = match self.algorithm {
                    SigningAlgorithm::Ps256 => &RSA_PSS_SHA256,
                    SigningAlgorithm::Rs256 | SigningAlgorithm::Es256 => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            Pair::Ec(pair) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .field("key", &"[censored]")
            .finish()
    }
}

// === impl SigningAlgorithm ===

impl SigningAlgorithm {
    /// The name that [RFC 7518 §3.1](https://www.rfc-editor.org/rfc/rfc7518#section-3.1) registers for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
        }
    }

    const fn needs(self) -> &'static str {
        match self {
            Self::Rs256 | Self::Ps256 => "RSA key of 2048 to 8192 bits",
            Self::Es256 => "key on the curve P-256",
        }
    }
}

fn rsa(der: &PrivateKeyDer<'_>) -> Option<RsaKeyPair> {
    match der {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok(),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok(),
        _ => None,
    }
}

fn ec(der: &PrivateKeyDer<'_>) -> Option<EcdsaKeyPair> {
    let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
    match der {
        PrivateKeyDer::Pkcs8(der) => EcdsaKeyPair::from_pkcs8(curve, der.secret_pkcs8_der()).ok(),
        PrivateKeyDer::Sec1(der) => {
            EcdsaKeyPair::from_private_key_der(curve, der.secret_sec1_der()).ok()
        }
        _ => None,
    }
}
