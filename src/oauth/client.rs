//! The client as its issuer knows it, and its token request.

use std::fmt;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Uri,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use zeroize::Zeroizing;

use super::{
    AuthMethod, Credentials, RequestFormat,
    credentials::{Proof, reject_unsendable},
    encode,
    exchange::Terms,
};
use crate::{
    error::{InvalidConfig, TokenError, TokenErrorKind},
    origin::Origin,
    token_cache::{TokenKey, TokenRequest},
};

/// [RFC 7523 §2.2](https://www.rfc-editor.org/rfc/rfc7523#section-2.2).
#[cfg(feature = "private-key-jwt")]
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client as its issuer knows it. `Debug` does not show its credentials.
#[derive(Clone)]
pub(super) struct Client {
    endpoint: Uri,
    id: String,
    pub(super) credentials: Credentials,
    auth_method: AuthMethod,
    /// The `aud` of an assertion; none is the endpoint's address.
    #[cfg(feature = "private-key-jwt")]
    pub(super) assertion_audience: Option<String>,
    pub(super) format: RequestFormat,
    pub(super) key: TokenKey,
    pub(super) terms: Terms,
}

// === impl Client ===

impl Client {
    pub(super) fn new(
        endpoint: &str,
        id: String,
        credentials: Credentials,
    ) -> Result<Self, InvalidConfig> {
        let endpoint = parse(endpoint)?;
        reject_unsendable("client id", &id)?;
        let client = Self {
            endpoint,
            id,
            credentials,
            auth_method: AuthMethod::default(),
            #[cfg(feature = "private-key-jwt")]
            assertion_audience: None,
            format: RequestFormat::default(),
            key: TokenKey::new(),
            terms: Terms::default(),
        };
        Ok(client.named())
    }

    pub(super) fn reject_clear_text(&self) -> Result<(), InvalidConfig> {
        reject_clear_text(&self.endpoint)
    }

    pub(super) fn with_auth_method(self, auth_method: AuthMethod) -> Self {
        Self { auth_method, ..self }.named()
    }

    /// The client with a key that identifies it.
    fn named(mut self) -> Self {
        let method = self.credentials.method_name(self.auth_method.as_str());
        self.key = self.key.with_client(self.endpoint.to_string(), &self.id, method);
        self
    }

    /// The request for the token of `wanted`, with the client's own key for what that leaves open.
    pub(super) fn request<B: From<Bytes>>(
        &self,
        wanted: &TokenRequest,
    ) -> Result<Request<B>, TokenError> {
        let (key, id) = (wanted.key().or(&self.key), self.id.as_str());
        let (basic, body) = match &*self.credentials.proof() {
            Proof::Secret(secret) => match self.auth_method {
                AuthMethod::ClientSecretPost => {
                    (None, self.body(&[("client_id", id), ("client_secret", secret)], &key))
                }
                AuthMethod::ClientSecretBasic => {
                    (Some(encode::basic(id, secret).ok_or_else(unsent)?), self.body(&[], &key))
                }
            },
            #[cfg(feature = "private-key-jwt")]
            Proof::Key(private) => {
                let assertion = self.assertion(private).ok_or_else(unsent)?;
                let proof = [
                    // Not required by RFC 7521 §4.2, but by some issuers.
                    ("client_id", id),
                    ("client_assertion_type", ASSERTION_TYPE),
                    ("client_assertion", &assertion),
                ];
                (None, self.body(&proof, &key))
            }
        };
        let mut request = Request::new(B::from(Bytes::from_owner(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.format.content_type()));
        headers.extend(basic.map(|basic| (AUTHORIZATION, basic)));
        Ok(request)
    }

    fn body(&self, proof: &[(&str, &str)], key: &TokenKey) -> Zeroizing<Vec<u8>> {
        match self.format {
            RequestFormat::Form => encode::form(proof, key),
            RequestFormat::Json => encode::json(proof, key),
        }
    }

    /// A new assertion: an issuer accepts each only once.
    #[cfg(feature = "private-key-jwt")]
    fn assertion(&self, private: &super::PrivateKey) -> Option<Zeroizing<String>> {
        let now = self.terms.clock.system_time();
        match &self.assertion_audience {
            Some(audience) => private.assertion(&self.id, audience, now),
            None => private.assertion(&self.id, &self.endpoint.to_string(), now),
        }
    }

    /// Signs once, to check that an assertion is not longer than the issuer accepts.
    #[cfg(feature = "private-key-jwt")]
    pub(super) fn reject_assertions_beyond(&self, limit: usize) -> Result<(), InvalidConfig> {
        let Proof::Key(private) = &*self.credentials.proof() else { return Ok(()) };
        match self.assertion(private) {
            Some(assertion) if assertion.len() <= limit => Ok(()),
            _ => Err(InvalidConfig::new(
                "private key",
                format!("an assertion signed with it is longer than {limit} bytes"),
            )),
        }
    }
}

/// A request that could not be written.
fn unsent() -> TokenError {
    TokenError::new(TokenErrorKind::Rejected)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("credentials", &self.credentials)
            .field("format", &self.format)
            .field("key", &self.key)
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}

pub(super) fn reject_clear_text(endpoint: &Uri) -> Result<(), InvalidConfig> {
    if Origin::of(endpoint).is_some_and(Origin::is_confidential) {
        return Ok(());
    }
    Err(InvalidConfig::new(
        format!("token endpoint `{endpoint}`"),
        "the secret could be read on the way; if that is meant, use `over_clear_text`",
    ))
}

pub(super) fn parse(endpoint: &str) -> Result<Uri, InvalidConfig> {
    let expected = "expected an address as `https://host/path`, without a user name or a fragment";
    if endpoint.contains('@') {
        return Err(InvalidConfig::new("token endpoint", expected));
    }
    let uri: Option<Uri> = endpoint.parse().ok();
    // RFC 6749 §3.2: no fragment. It would be cut off.
    uri.filter(|uri| Origin::of(uri).is_some() && !endpoint.contains('#'))
        .ok_or_else(|| InvalidConfig::new(format!("token endpoint `{endpoint}`"), expected))
}
