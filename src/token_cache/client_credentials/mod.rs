//! The OAuth 2.0 client credentials grant, [RFC 6749 §4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4).

mod client;
mod encode;
mod exchange;

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use self::client::Client;
use super::{Token, TokenError, TokenKey, TokenRequest};
use crate::{BoxError, clock::Clock, error::InvalidConfig};

/// A source of tokens that trades a client's id and secret for them at an OAuth 2.0 token endpoint.
///
/// It runs over any HTTP service whose request body can be made from [`Bytes`]: `Full<Bytes>`, `axum::body::Body`,
/// reqwest's. Give it a client of its own:
///
/// * **without retries**: a 429 of the endpoint is not sent again, the cache leaves the endpoint alone instead;
/// * **without redirects** (reqwest follows them by default): they would carry the secret elsewhere. Those that arrive here
///   are refused;
/// * without the [`TokenCacheLayer`](super::TokenCacheLayer) that it serves.
///
/// ```
/// # use std::convert::Infallible;
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// use bytes::Bytes;
/// use tower_heed::token_cache::{ClientCredentials, TokenCacheLayer};
///
/// # let http = tower::service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
/// let source = ClientCredentials::new(http, "https://tenant.eu.auth0.com/oauth/token", "my-client", "my-secret")?
///     .audience("https://tenant.eu.auth0.com/api/v2/");
/// let layer = TokenCacheLayer::new(source).allow_origin("https://tenant.eu.auth0.com")?;
/// # Ok::<(), tower_heed::error::InvalidConfig>(())
/// ```
///
/// # Defaults
///
/// [`AuthMethod::ClientSecretPost`] and [`RequestFormat::Form`], which Auth0, Entra and Keycloak take as they are; Okta's
/// clients are set to `ClientSecretBasic` unless told otherwise. [`DEFAULT_TIMEOUT`](Self::DEFAULT_TIMEOUT).
///
/// # Errors
///
/// [`TokenError`], with the status and the OAuth `error` code. An answer is read up to 64 KiB; what must be in it is said at
/// [`TokenResponse::from_slice`](crate::wire::TokenResponse::from_slice).
pub struct ClientCredentials<S, B> {
    service: S,
    client: Arc<Client>,
    body: PhantomData<fn() -> B>,
}

/// How a client proves that it is the one it says,
/// [RFC 6749 §2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthMethod {
    /// Id and secret in the body.
    #[default]
    ClientSecretPost,
    /// Id and secret, each form-encoded first, in an `Authorization: Basic` header.
    ClientSecretBasic,
}

/// How the request is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestFormat {
    /// `application/x-www-form-urlencoded`, as the RFC has it.
    #[default]
    Form,
    /// `application/json`, which Auth0 takes as well.
    Json,
}

// === impl ClientCredentials ===

impl<S, B> ClientCredentials<S, B> {
    /// Ten seconds, as long as the cache waits for a source.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

    /// A client with this id and secret at `token_endpoint`, reached by `service`.
    ///
    /// # Errors
    ///
    /// The endpoint is no `https` address (or `http` on a loopback address), or holds a user name; the id or the secret is
    /// empty or holds a control character, a line break at the end for example. The error shows neither of the two.
    pub fn new(
        service: S,
        token_endpoint: &str,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Result<Self, InvalidConfig>
    where
        S: Service<Request<B>>,
        B: From<Bytes>,
    {
        let client = Client::new(token_endpoint, client_id.into(), client_secret.into())?;
        client.refuse_clear_text()?;
        Ok(Self { service, client: Arc::new(client), body: PhantomData })
    }

    /// As [`new`](Self::new), and the endpoint may be an `http` address: the secret can be read on the way. For a mesh that
    /// encrypts by itself.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), clear text excepted.
    pub fn over_clear_text(
        service: S,
        token_endpoint: &str,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Result<Self, InvalidConfig>
    where
        S: Service<Request<B>>,
        B: From<Bytes>,
    {
        let client = Client::new(token_endpoint, client_id.into(), client_secret.into())?;
        Ok(Self { service, client: Arc::new(client), body: PhantomData })
    }

    /// Asks for a token for this API. Auth0 requires it; its Management API is `https://{domain}/api/v2/`.
    #[must_use]
    pub fn audience(self, audience: impl Into<String>) -> Self {
        self.map_key(|key| key.with_audience(audience))
    }

    /// Asks for a token for this organization (Auth0).
    #[must_use]
    pub fn organization(self, organization: impl Into<String>) -> Self {
        self.map_key(|key| key.with_organization(organization))
    }

    /// Asks for these scopes, separated by spaces, besides those asked for already.
    #[must_use]
    pub fn scopes(self, scopes: &str) -> Self {
        self.map_key(|key| key.with_scopes(scopes))
    }

    /// Sends a further parameter, `resource` for example. It must not be a secret.
    ///
    /// # Errors
    ///
    /// There is a setter for this parameter.
    pub fn parameter(
        self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, InvalidConfig> {
        let name = name.into();
        encode::refuse_reserved(&name)?;
        Ok(self.map_key(|key| key.with_parameter(name, value)))
    }

    /// Sets how the client proves that it is the one it says.
    #[must_use]
    pub fn auth_method(mut self, method: AuthMethod) -> Self {
        Arc::make_mut(&mut self.client).set_auth_method(method);
        self
    }

    /// Sets how the request is written.
    #[must_use]
    pub fn format(mut self, format: RequestFormat) -> Self {
        Arc::make_mut(&mut self.client).format = format;
        self
    }

    /// How long one exchange may take, from the request to the end of the answer's body.
    ///
    /// # Errors
    ///
    /// Zero.
    pub fn timeout(mut self, limit: Duration) -> Result<Self, InvalidConfig> {
        if limit.is_zero() {
            return Err(InvalidConfig::new("client credentials timeout", "it is zero"));
        }
        Arc::make_mut(&mut self.client).timeout = limit;
        Ok(self)
    }

    /// Takes the time, by which dates in headers are read, from `clock`.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        Arc::make_mut(&mut self.client).clock = clock;
        self
    }

    /// What its token is for, where the [request](TokenRequest) leaves that open.
    #[must_use]
    pub fn key(&self) -> &TokenKey {
        &self.client.key
    }

    fn map_key(mut self, map: impl FnOnce(TokenKey) -> TokenKey) -> Self {
        let client = Arc::make_mut(&mut self.client);
        client.key = map(std::mem::take(&mut client.key));
        self
    }
}

impl<S, B, ResponseBody> Service<TokenRequest> for ClientCredentials<S, B>
where
    S: Service<Request<B>, Response = Response<ResponseBody>>,
    S::Error: Into<BoxError> + 'static,
    S::Future: Send + 'static,
    B: From<Bytes>,
    ResponseBody: Body + Send + 'static,
    ResponseBody::Data: Send,
    ResponseBody::Error: Into<BoxError>,
{
    type Response = Token;
    type Error = TokenError;
    type Future = Pin<Box<dyn Future<Output = Result<Token, TokenError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TokenError>> {
        self.service.poll_ready(cx).map_err(TokenError::of_source)
    }

    fn call(&mut self, request: TokenRequest) -> Self::Future {
        let sent = self.client.request(&request).map(|request| self.service.call(request));
        Box::pin(exchange::exchange(Arc::clone(&self.client), sent))
    }
}

impl<S: Clone, B> Clone for ClientCredentials<S, B> {
    fn clone(&self) -> Self {
        let (service, client) = (self.service.clone(), Arc::clone(&self.client));
        Self { service, client, body: PhantomData }
    }
}

impl<S, B> fmt::Debug for ClientCredentials<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials").field("client", &self.client).finish_non_exhaustive()
    }
}

// === impl AuthMethod ===

impl AuthMethod {
    /// The name that OpenID Connect registers for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretPost => "client_secret_post",
            Self::ClientSecretBasic => "client_secret_basic",
        }
    }
}
