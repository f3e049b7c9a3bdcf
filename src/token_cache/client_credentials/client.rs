//! Who asks for a token, and the request that asks.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Uri,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use zeroize::Zeroizing;

use super::{AuthMethod, ClientCredentials, RequestFormat, encode};
use crate::{
    clock::Clock,
    error::InvalidConfig,
    policy::FetchFailure,
    token_cache::{TokenError, TokenKey, TokenRequest, origin::is_private_on_the_way},
};

/// A client as its issuer knows it. `Debug` does not show the secret, which is wiped with the last copy.
#[derive(Clone)]
pub(super) struct Client {
    endpoint: Uri,
    id: String,
    secret: Zeroizing<String>,
    auth_method: AuthMethod,
    pub(super) format: RequestFormat,
    pub(super) key: TokenKey,
    pub(super) timeout: Duration,
    pub(super) clock: Clock,
}

// === impl Client ===

impl Client {
    pub(super) fn new(endpoint: &str, id: String, secret: String) -> Result<Self, InvalidConfig> {
        let secret = Zeroizing::new(secret);
        let endpoint = parse(endpoint)?;
        refuse_unsendable("client id", &id)?;
        refuse_unsendable("client secret", &secret)?;
        let auth_method = AuthMethod::default();
        let key = TokenKey::new().with_client(endpoint.to_string(), &id, auth_method.as_str());
        Ok(Self {
            endpoint,
            id,
            secret,
            auth_method,
            format: RequestFormat::default(),
            key,
            timeout: ClientCredentials::<(), ()>::DEFAULT_TIMEOUT,
            clock: Clock::default(),
        })
    }

    pub(super) fn refuse_clear_text(&self) -> Result<(), InvalidConfig> {
        if is_private_on_the_way(&self.endpoint) == Some(true) {
            return Ok(());
        }
        Err(InvalidConfig::new(
            format!("token endpoint `{}`", self.endpoint),
            "the secret could be read on the way; if that is meant, use `over_clear_text`",
        ))
    }

    pub(super) fn set_auth_method(&mut self, method: AuthMethod) {
        self.auth_method = method;
        let key = std::mem::take(&mut self.key);
        self.key = key.with_client(self.endpoint.to_string(), &self.id, method.as_str());
    }

    /// The request for what `wanted` says, and for what it leaves open as the client is set.
    pub(super) fn request<B: From<Bytes>>(
        &self,
        wanted: &TokenRequest,
    ) -> Result<Request<B>, TokenError> {
        let key = wanted.key().or(&self.key);
        let secret = match self.auth_method {
            AuthMethod::ClientSecretPost => Some((self.id.as_str(), self.secret.as_str())),
            AuthMethod::ClientSecretBasic => None,
        };
        let (content_type, body) = match self.format {
            RequestFormat::Form => {
                ("application/x-www-form-urlencoded", encode::form(secret, &key))
            }
            RequestFormat::Json => ("application/json", encode::json(secret, &key)),
        };
        let mut request = Request::new(B::from(Bytes::from_owner(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if self.auth_method == AuthMethod::ClientSecretBasic {
            let basic = encode::basic(&self.id, &self.secret)
                .ok_or_else(|| TokenError::new(FetchFailure::Rejected))?;
            headers.insert(AUTHORIZATION, basic);
        }
        Ok(request)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("secret", &"[censored]")
            .field("format", &self.format)
            .field("key", &self.key)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

fn parse(endpoint: &str) -> Result<Uri, InvalidConfig> {
    let expected = "expected an address as `https://host/path`, without a user name";
    if endpoint.contains('@') {
        return Err(InvalidConfig::new("token endpoint", expected));
    }
    let uri: Option<Uri> = endpoint.parse().ok();
    uri.filter(|uri| is_private_on_the_way(uri).is_some())
        .ok_or_else(|| InvalidConfig::new(format!("token endpoint `{endpoint}`"), expected))
}

/// Both are `*VSCHAR` (RFC 6749, appendices A.1 and A.2). Characters beyond ASCII are sent as UTF-8, since issuers take
/// them; a control character is always a mistake, most often the line break at the end of a file.
fn refuse_unsendable(what: &'static str, value: &str) -> Result<(), InvalidConfig> {
    if value.is_empty() {
        return Err(InvalidConfig::new(what, "it is empty"));
    }
    if value.chars().any(char::is_control) {
        let why = "it holds a control character, perhaps a line break at the end";
        return Err(InvalidConfig::new(what, why));
    }
    Ok(())
}
