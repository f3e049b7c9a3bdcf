//! The client as its issuer knows it, and its exchanges: the one piece that all grants share.

#[cfg(feature = "private-key-jwt")]
use std::sync::Arc;
use std::{borrow::Cow, fmt, time::SystemTime};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode, Uri,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

#[cfg(feature = "private-key-jwt")]
use super::{Assertion, dpop::DpopKey};
use super::{
    AuthMethod, Credentials, RequestFormat, TokenResponse,
    credentials::{Proof, reject_unsendable},
    echo::Secrets,
    encode,
    exchange::{self, Content, Reply, Terms, Transport},
    oauth_error::OAuthError,
    source::traced,
    token_response::{Leniency, MalformedToken},
};
use crate::{
    BoxError,
    error::{InvalidConfig, TokenError, TokenErrorKind, find},
    origin::Origin,
    token_cache::{Token, TokenKey},
};

/// [RFC 7523 §2.2](https://www.rfc-editor.org/rfc/rfc7523#section-2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How often a request is sent: with a nonce that the issuer asked for, and with an assertion by the issuer's clock.
const MAX_ATTEMPTS: usize = 3;

/// A client as its issuer knows it. `Debug` does not show its credentials.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) endpoint: Uri,
    /// Empty for a client that the issuer does not know.
    id: String,
    pub(super) credentials: Credentials,
    auth_method: AuthMethod,
    /// The `aud` of an assertion; none is the endpoint's address.
    #[cfg(feature = "private-key-jwt")]
    pub(super) assertion_audience: Option<String>,
    #[cfg(feature = "private-key-jwt")]
    pub(super) assertion: Option<Arc<dyn Fn(Assertion) -> Assertion + Send + Sync>>,
    #[cfg(feature = "private-key-jwt")]
    pub(super) dpop: Option<DpopKey>,
    pub(super) format: RequestFormat,
    pub(super) leniency: Leniency,
    pub(super) key: TokenKey,
    pub(super) terms: Terms,
}

/// What is sent besides the proof of the client.
pub(super) struct Grant {
    grant_type: Cow<'static, str>,
    fields: Vec<(Cow<'static, str>, Zeroizing<String>)>,
    secrets: Vec<Zeroizing<String>>,
}

/// Why there is no token, and the response if it brought the next refresh token all the same.
pub(super) struct Failed {
    pub(super) error: TokenError,
    pub(super) rotated: Option<Box<TokenResponse>>,
}

// === impl Client ===

impl Client {
    pub(super) fn new(
        endpoint: &str,
        id: String,
        credentials: Credentials,
    ) -> Result<Self, InvalidConfig> {
        reject_unsendable("client id", &id)?;
        Self::unchecked(endpoint, id, credentials)
    }

    /// A client that the issuer does not know: the grant alone counts.
    #[cfg(feature = "private-key-jwt")]
    pub(super) fn unknown(endpoint: &str) -> Result<Self, InvalidConfig> {
        Self::unchecked(endpoint, String::new(), Credentials::public())
    }

    fn unchecked(
        endpoint: &str,
        id: String,
        credentials: Credentials,
    ) -> Result<Self, InvalidConfig> {
        let client = Self {
            endpoint: parse(endpoint)?,
            id,
            credentials,
            auth_method: AuthMethod::default(),
            #[cfg(feature = "private-key-jwt")]
            assertion_audience: None,
            #[cfg(feature = "private-key-jwt")]
            assertion: None,
            #[cfg(feature = "private-key-jwt")]
            dpop: None,
            format: RequestFormat::default(),
            leniency: Leniency::default(),
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

    #[cfg(feature = "private-key-jwt")]
    pub(super) fn with_dpop(self, key: DpopKey) -> Self {
        let leniency = Leniency { dpop: true, ..self.leniency };
        Self { leniency, dpop: Some(key), ..self }.named()
    }

    /// The client with a key that identifies it.
    fn named(mut self) -> Self {
        let method = self.credentials.method_name(self.auth_method.as_str());
        self.key = self.key.with_client(self.endpoint.to_string(), &self.id, method);
        #[cfg(feature = "private-key-jwt")]
        if let Some(dpop) = &self.dpop {
            self.key = self.key.bound_to(dpop.thumbprint());
        }
        self
    }

    /// Exchanges a grant for a token.
    pub(super) async fn obtain(
        &self,
        transport: &Transport,
        grant: Grant,
        until: Instant,
    ) -> Result<TokenResponse, TokenError> {
        self.rotate(transport, grant, until).await.map_err(|failed| failed.error)
    }

    /// As [`obtain`](Self::obtain). A failure may hold a response whose access token is of no use, and whose refresh token is.
    pub(super) async fn rotate(
        &self,
        transport: &Transport,
        grant: Grant,
        until: Instant,
    ) -> Result<TokenResponse, Failed> {
        let rotated = self.rotate_untraced(transport, &grant, until);
        let kind = |failed: &Failed| failed.error.kind();
        traced(&grant.grant_type, &self.endpoint, kind, rotated).await
    }

    async fn rotate_untraced(
        &self,
        transport: &Transport,
        grant: &Grant,
        until: Instant,
    ) -> Result<TokenResponse, Failed> {
        // Before the credentials are read: see `Credentials::replace`.
        let version = self.credentials.version();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let dated = self.terms.issuer_time();
            let request = timeout_at(until, self.request(grant, dated)).await;
            let (request, secrets) =
                request.map_err(|_| TokenError::new(TokenErrorKind::Timeout))??;
            let reply = transport.exchange(&self.terms, request, until).await?;
            #[cfg(feature = "private-key-jwt")]
            let asks_for_nonce = self.dpop.as_ref().is_some_and(|key| {
                key.heard(&self.endpoint, &reply.headers)
                    && oauth_code(&reply).as_deref() == Some("use_dpop_nonce")
            });
            #[cfg(not(feature = "private-key-jwt"))]
            let asks_for_nonce = false;
            if attempts < MAX_ATTEMPTS
                && reply.status.is_client_error()
                && (asks_for_nonce || self.is_misdated(&reply, dated))
            {
                continue;
            }
            return self.response(reply, &secrets).map_err(|Failed { error, rotated }| Failed {
                error: self.credentials.outdate(version, error),
                rotated,
            });
        }
    }

    /// The token of a response.
    pub(super) fn token(&self, response: &TokenResponse) -> Result<Token, TokenError> {
        let token = Token::bearer(response.access_token())?;
        let token = if response.is_dpop() { token.with_scheme("DPoP")? } else { token };
        Ok(match response.expires_in() {
            Some(lifetime) => token.expires_in(lifetime),
            None => token,
        })
    }

    /// The request for `grant`, and the secrets in it.
    async fn request(
        &self,
        grant: &Grant,
        dated: SystemTime,
    ) -> Result<(Request<Bytes>, Secrets), TokenError> {
        let id = self.id.as_str();
        let mut secrets = Secrets::default();
        let proof = self.credentials.proof();
        let (mut basic, assertion);
        basic = None;
        let mut fields = vec![("grant_type", &*grant.grant_type)];
        match &*proof {
            Proof::Secret(secret) => {
                secrets.add(secret);
                match self.auth_method {
                    AuthMethod::ClientSecretPost => {
                        fields.extend([("client_id", id), ("client_secret", secret)]);
                    }
                    AuthMethod::ClientSecretBasic => basic = encode::basic(id, secret),
                    AuthMethod::ClientSecretBasicRaw => basic = encode::basic_raw(id, secret),
                }
                if self.auth_method != AuthMethod::ClientSecretPost && basic.is_none() {
                    return Err(unsent());
                }
            }
            #[cfg(feature = "private-key-jwt")]
            Proof::Key(private) => {
                assertion = self.assertion(private, dated)?;
                secrets.add(&assertion);
                fields.extend(asserted(id, &assertion));
            }
            Proof::Assertion(write) => {
                assertion = write().await.map_err(of_function)?;
                if assertion.is_empty() {
                    return Err(unsent().with_source("the client assertion is empty"));
                }
                secrets.add(&assertion);
                fields.extend(asserted(id, &assertion));
            }
            Proof::Public if id.is_empty() => {}
            Proof::Public => fields.push(("client_id", id)),
        }
        grant.secrets.iter().for_each(|secret| secrets.add(secret));
        fields.extend(grant.fields.iter().map(|(name, value)| (&**name, value.as_str())));
        let body = match self.format {
            RequestFormat::Form => encode::form(&fields),
            RequestFormat::Json => encode::json(&fields),
        };
        let mut request = Request::new(Bytes::from_owner(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.format.content_type()));
        headers.extend(basic.map(|basic| (AUTHORIZATION, basic)));
        #[cfg(feature = "private-key-jwt")]
        if let Some(key) = &self.dpop {
            key.prove(&mut request, dated).ok_or_else(unsent)?;
        }
        #[cfg(not(feature = "private-key-jwt"))]
        let SystemTime { .. } = dated;
        Ok((request, secrets))
    }

    /// Reads a response.
    fn response(&self, reply: Reply, secrets: &Secrets) -> Result<TokenResponse, Failed> {
        let Reply { status, headers, now, content } = reply;
        match content {
            Content::Success(body) => {
                TokenResponse::read(&body, &self.leniency, now).map_err(|why| {
                    // GitHub and Slack send errors with 200.
                    let oauth = OAuthError::from_slice(&body, secrets);
                    match oauth.filter(|_| why == MalformedToken::NoAccessToken) {
                        Some(oauth) => {
                            let error = error_in_success(status, &oauth);
                            Failed::from(match self.terms.wait(&headers) {
                                Some(wait) => error.with_retry_after(wait),
                                None => error,
                            })
                        }
                        None => Failed {
                            error: exchange::malformed(status, why),
                            rotated: TokenResponse::rotated(&body).map(Box::new),
                        },
                    }
                })
            }
            Content::Failure(error, body) => {
                let oauth = body.and_then(|body| OAuthError::from_slice(&body, secrets));
                Err(Failed::from(match oauth {
                    Some(oauth) => described(error, &oauth),
                    None => error,
                }))
            }
        }
    }

    /// Whether an assertion may have been rejected because of its date.
    #[cfg(feature = "private-key-jwt")]
    fn is_misdated(&self, reply: &Reply, dated: SystemTime) -> bool {
        let code = oauth_code(reply);
        let of_assertion = matches!(&*self.credentials.proof(), Proof::Key(_))
            && code.as_deref() != Some("invalid_grant");
        let of_proof = self.dpop.is_some() && code.as_deref() == Some("invalid_dpop_proof");
        let (ours, now) = (self.terms.clock.system_time(), self.terms.clock.now());
        (of_assertion || of_proof) && self.terms.issuer_clock.disagrees(dated, ours, now)
    }

    #[cfg(not(feature = "private-key-jwt"))]
    fn is_misdated(&self, _reply: &Reply, _dated: SystemTime) -> bool {
        false
    }

    /// A new assertion: an issuer accepts each only once.
    #[cfg(feature = "private-key-jwt")]
    fn assertion(
        &self,
        private: &super::PrivateKey,
        dated: SystemTime,
    ) -> Result<Zeroizing<String>, TokenError> {
        let audience = self.assertion_audience.clone().unwrap_or_else(|| self.endpoint.to_string());
        let assertion =
            Assertion::new(private.clone()).issuer(&self.id).subject(&self.id).audience(audience);
        let assertion = match &self.assertion {
            Some(change) => change(assertion),
            None => assertion,
        };
        assertion.sign(dated)
    }

    /// Signs once, to check that an assertion is not longer than the issuer accepts.
    #[cfg(feature = "private-key-jwt")]
    pub(super) fn reject_assertions_beyond(&self, limit: usize) -> Result<(), InvalidConfig> {
        let Proof::Key(private) = &*self.credentials.proof() else { return Ok(()) };
        match self.assertion(private, self.terms.issuer_time()) {
            Ok(assertion) if assertion.len() <= limit => Ok(()),
            _ => Err(InvalidConfig::new(
                "private key",
                format!("an assertion signed with it is longer than {limit} bytes"),
            )),
        }
    }
}

/// The fields of a client that proves itself by an assertion.
fn asserted<'a>(id: &'a str, assertion: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    // Not required by RFC 7521 §4.2, but by some issuers.
    let id = Some(("client_id", id)).filter(|(_, id)| !id.is_empty());
    let proof = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)];
    id.into_iter().chain(proof)
}

/// The code of a failing response, for decisions: it is not shown.
#[cfg(feature = "private-key-jwt")]
fn oauth_code(reply: &Reply) -> Option<String> {
    let Content::Failure(_, Some(body)) = &reply.content else { return None };
    OAuthError::from_slice(body, &Secrets::default())?.code().map(str::to_owned)
}

/// A request that could not be written.
pub(super) fn unsent() -> TokenError {
    TokenError::new(TokenErrorKind::Rejected)
}

/// The token error of a function of the user's, which says nothing about the issuer: its own, or a rejection.
pub(super) fn of_function(error: BoxError) -> TokenError {
    match find::<TokenError>(&*error) {
        Some(own) => own.clone(),
        None => unsent().with_source(error),
    }
}

/// The error with what the body says about it.
pub(super) fn described(error: TokenError, oauth: &OAuthError) -> TokenError {
    let error = match oauth.code() {
        Some(code) => error.with_code(code),
        None => error,
    };
    match oauth.description() {
        Some(description) => error.with_description(description),
        None => error,
    }
}

/// The error in the body of a response whose status is a success.
fn error_in_success(status: StatusCode, oauth: &OAuthError) -> TokenError {
    let kind = match oauth.code() {
        Some("server_error" | "temporarily_unavailable") => TokenErrorKind::Unavailable,
        Some("slow_down" | "too_many_requests") => TokenErrorKind::RateLimited,
        Some(_) | None => TokenErrorKind::Rejected,
    };
    described(TokenError::new(kind).with_status(status), oauth)
}

// === impl Failed ===

impl From<TokenError> for Failed {
    fn from(error: TokenError) -> Self {
        Self { error, rotated: None }
    }
}

// === impl Grant ===

impl Grant {
    pub(super) fn new(grant_type: impl Into<Cow<'static, str>>) -> Self {
        Self { grant_type: grant_type.into(), fields: Vec::new(), secrets: Vec::new() }
    }

    pub(super) fn with(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
    ) -> Self {
        self.fields.push((name.into(), Zeroizing::new(value.into())));
        self
    }

    pub(super) fn with_secret(mut self, name: &'static str, value: &str) -> Self {
        self.secrets.push(Zeroizing::new(value.to_owned()));
        self.with(name, value)
    }

    /// With the parts of `key`, which is what the token is for.
    pub(super) fn with_key(mut self, key: &TokenKey) -> Self {
        if let Some(audience) = key.audience() {
            self = self.with("audience", audience);
        }
        if let Some(organization) = key.organization() {
            self = self.with("organization", organization);
        }
        let scopes = key.scopes().collect::<Vec<_>>().join(" ");
        if !scopes.is_empty() {
            self = self.with("scope", scopes);
        }
        for (name, value) in key.parameters() {
            self = self.with(name.to_owned(), value);
        }
        self
    }
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
