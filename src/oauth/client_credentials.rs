//! The OAuth 2.0 client credentials grant, [RFC 6749 §4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4).

use std::{sync::Arc, time::Duration};

#[cfg(feature = "private-key-jwt")]
use super::{Assertion, DpopKey};
use super::{
    AuthMethod, Credentials, HttpService, RequestFormat,
    client::{Client, Grant},
    encode, exchange,
    exchange::Transport,
    source::token_source,
};
use crate::{
    clock::Clock,
    error::{InvalidConfig, TokenError},
    token_cache::{Token, TokenKey, TokenRequest},
};

/// A source of tokens: exchanges a client's [`Credentials`] for them at an OAuth 2.0 token endpoint.
///
/// ```
/// # use std::convert::Infallible;
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// use bytes::Bytes;
/// use tower_heed::{oauth::ClientCredentials, token_cache::TokenCacheLayer};
///
/// # let http = tower::service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
/// let source = ClientCredentials::auth0(http, "acme.eu.auth0.com", "my-client", "my-secret")?;
/// let layer = TokenCacheLayer::new(source).allow_origin("https://acme.eu.auth0.com".parse()?);
/// # Ok::<(), tower_heed::error::InvalidConfig>(())
/// ```
///
/// | issuer | constructor | a secret is sent | `aud` of an assertion |
/// |---|---|---|---|
/// | Auth0 | [`auth0`](Self::auth0) | in the body | `https://{domain}/` |
/// | Okta, its own APIs | `okta_org` | never | the endpoint |
/// | Okta, your APIs | [`okta`](Self::okta) | in the header | the endpoint |
/// | Keycloak | [`keycloak`](Self::keycloak) | in the header | `{base}/realms/{realm}` |
/// | any other | [`new`](Self::new) | in the body, or as [`auth_method`](Self::auth_method) says | the endpoint, or as `assertion_audience` says |
///
/// `okta_org` and `assertion_audience` are there with the feature `private-key-jwt`, as is `PrivateKey`.
///
/// # The endpoint's own client
///
/// It works with any HTTP service whose request body can be made from [`Bytes`](bytes::Bytes): `Full<Bytes>`, `axum::body::Body`,
/// reqwest's. Give it its own client, not the stack that it serves:
///
/// * **without retries.** Every caller without a token waits for this one exchange. A retry after a 429 would hold them all for
///   as long as the issuer says, up to a day, and each further attempt counts against the same quota.
///   As an error it begins a cooldown in the cache instead: the present token stays in use, and callers without one learn at
///   once how long the cooldown lasts ([`TokenErrorKind`](crate::error::TokenErrorKind));
/// * **with its own time limit**, which is built in: [`timeout`](Self::timeout), from the request to the end of the response
///   body. A [`TimeoutLayer`](crate::TimeoutLayer) around the API does not limit it, since an exchange goes on when its caller
///   has left. Set it below the cache's [`fetch_timeout`](crate::token_cache::TokenCacheLayer::fetch_timeout) if the endpoint is
///   known to be fast;
/// * **without redirects** (reqwest follows them by default): they would carry the secret elsewhere. A redirect that arrives
///   here is an error;
/// * **without the [`TokenCacheLayer`](crate::token_cache::TokenCacheLayer)** that it serves.
///
/// ```
/// # use std::{convert::Infallible, time::Duration};
/// # use bytes::Bytes;
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// use tower::ServiceBuilder;
/// use tower_heed::{ErrorClassifyLayer, Stack, TokenCacheLayer, oauth::ClientCredentials};
///
/// # let http = tower::service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
/// // To the issuer: failing responses are classified and logged; nothing is retried.
/// let issuer = ServiceBuilder::new().layer(ErrorClassifyLayer::new()).service(http.clone());
/// let source = ClientCredentials::auth0(issuer, "acme.eu.auth0.com", "my-client", "my-secret")?
///     .timeout(Duration::from_secs(5));
///
/// // To the API: everything.
/// let token = TokenCacheLayer::new(source).allow_origin("https://acme.eu.auth0.com".parse()?);
/// let client = Stack::new().token_cache(token).service(http);
/// # drop(client);
/// # Ok::<(), tower_heed::error::InvalidConfig>(())
/// ```
///
/// # Defaults
///
/// [`AuthMethod::ClientSecretPost`] and [`RequestFormat::Form`], which Auth0, Entra and Keycloak take as they are; Okta's
/// clients are configured for `ClientSecretBasic` by default. [`DEFAULT_TIMEOUT`](Self::DEFAULT_TIMEOUT).
///
/// # Errors
///
/// [`TokenError`], with the status and the OAuth `error` code. Its wait is the response's `Retry-After`, or else the reset of a
/// spent limit (`x-ratelimit-*` and the like), or else the reset of a spent Auth0 quota.
///
/// A response is read up to 64 KiB. It must be a JSON object with an `access_token` of visible ASCII characters
/// ([`token_member`](Self::token_member) names another member) and the `token_type` `Bearer`, or `DPoP` if it asked for that
/// ([`any_token_type`](Self::any_token_type) takes any). Its `expires_in`, a number of seconds or a string of one, or else its
/// `expires_at`, is cut to 30 days.
#[derive(Clone)]
pub struct ClientCredentials {
    pub(super) transport: Transport,
    pub(super) client: Arc<Client>,
}

// === impl ClientCredentials ===

impl ClientCredentials {
    /// Ten seconds, as long as the cache waits for a source.
    pub const DEFAULT_TIMEOUT: Duration = exchange::DEFAULT_TIMEOUT;

    /// A client with this id and these credentials (a `&str` or `String` is a secret) at `token_endpoint`, reached by `service`.
    ///
    /// # Errors
    ///
    /// The endpoint is no `https` address (or `http` on a loopback address), or has a user name; the id or the secret is
    /// empty or has a control character, a line break at the end for example. The error shows neither of the two.
    pub fn new<B, C>(
        service: impl HttpService<B>,
        token_endpoint: &str,
        client_id: impl Into<String>,
        credentials: C,
    ) -> Result<Self, InvalidConfig>
    where
        C: TryInto<Credentials>,
        C::Error: Into<InvalidConfig>,
    {
        let source = Self::over_clear_text(service, token_endpoint, client_id, credentials)?;
        source.client.reject_clear_text()?;
        Ok(source)
    }

    /// As [`new`](Self::new), and the endpoint may be an `http` address: the secret can be read on the way. For a mesh that
    /// encrypts by itself.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), clear text excepted.
    pub fn over_clear_text<B, C>(
        service: impl HttpService<B>,
        token_endpoint: &str,
        client_id: impl Into<String>,
        credentials: C,
    ) -> Result<Self, InvalidConfig>
    where
        C: TryInto<Credentials>,
        C::Error: Into<InvalidConfig>,
    {
        let credentials = credentials.try_into().map_err(Into::into)?;
        let client = Client::new(token_endpoint, client_id.into(), credentials)?;
        Ok(Self { transport: service.into_transport(), client: Arc::new(client) })
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
        encode::reject_reserved(&name)?;
        Ok(self.map_key(|key| key.with_parameter(name, value)))
    }

    /// Sets how the client's secret is sent. A private key is never sent.
    #[must_use]
    pub fn auth_method(mut self, method: AuthMethod) -> Self {
        let client = Arc::unwrap_or_clone(self.client).with_auth_method(method);
        self.client = Arc::new(client);
        self
    }

    /// Sets the `aud` of the assertions that a key signs. The default is the token endpoint's address, which most issuers
    /// accept ([RFC 7523 §3](https://www.rfc-editor.org/rfc/rfc7523#section-3)); the others expect their issuer's name, which
    /// the presets set.
    #[cfg(feature = "private-key-jwt")]
    #[must_use]
    pub fn assertion_audience(mut self, audience: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.client).assertion_audience = Some(audience.into());
        self
    }

    /// Changes the assertions that a key signs: their life, `typ` and further claims. It starts from `iss`, `sub` and `aud` as the
    /// issuer expects them.
    ///
    /// ```
    /// # use std::{convert::Infallible, time::Duration};
    /// # use http::{Request, Response};
    /// # use http_body_util::Full;
    /// # use bytes::Bytes;
    /// # use tower_heed::oauth::{ClientCredentials, PrivateKey};
    /// # fn source(key: PrivateKey) -> Result<(), tower_heed::error::InvalidConfig> {
    /// # let http = tower::service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
    /// let source = ClientCredentials::new(http, "https://id.acme.com/token", "my-client", key)?
    ///     .assertion(|assertion| assertion.lifetime(Duration::from_secs(300)).claim("tenant", "t1"));
    /// # drop(source);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "private-key-jwt")]
    #[must_use]
    pub fn assertion(
        mut self,
        change: impl Fn(Assertion) -> Assertion + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.client).assertion = Some(Arc::new(change));
        self
    }

    /// Asks for tokens that are bound to `key` ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)): they are of use only with a
    /// proof for each request, which a [`DpopLayer`](super::DpopLayer) with the same key makes.
    #[cfg(feature = "private-key-jwt")]
    #[must_use]
    pub fn dpop(mut self, key: DpopKey) -> Self {
        let client = Arc::unwrap_or_clone(self.client).with_dpop(key);
        self.client = Arc::new(client);
        self
    }

    /// Takes a token whatever its `token_type`, or without one: it is sent as `Bearer`.
    #[must_use]
    pub fn any_token_type(mut self) -> Self {
        Arc::make_mut(&mut self.client).leniency.any_token_type = true;
        self
    }

    /// Reads `expires_in` as milliseconds.
    #[must_use]
    pub fn lifetime_in_millis(mut self) -> Self {
        Arc::make_mut(&mut self.client).leniency.lifetime_in_millis = true;
        self
    }

    /// Reads the token from another member than `access_token`: `id_token`, or `authed_user.access_token` for one within an object.
    #[must_use]
    pub fn token_member(mut self, path: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.client).leniency.token = path.into().into();
        self
    }

    /// Sets how the request is written.
    #[must_use]
    pub fn format(mut self, format: RequestFormat) -> Self {
        Arc::make_mut(&mut self.client).format = format;
        self
    }

    /// How long one exchange may take, from the request to the end of the response body; at least a millisecond.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        Arc::make_mut(&mut self.client).terms.set_timeout(limit);
        self
    }

    /// Reads dates in headers, and dates assertions, by `clock`.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        Arc::make_mut(&mut self.client).terms.clock = clock;
        self
    }

    /// The key of its tokens, where the [request](TokenRequest) names no other.
    #[must_use]
    pub fn key(&self) -> &TokenKey {
        &self.client.key
    }

    async fn token(self, request: TokenRequest) -> Result<Token, TokenError> {
        let Self { transport, client } = self;
        let grant = Grant::new("client_credentials").with_key(&request.key().or(&client.key));
        let until = client.terms.until();
        client.token(&client.obtain(&transport, grant, until).await?)
    }

    fn map_key(mut self, map: impl FnOnce(TokenKey) -> TokenKey) -> Self {
        let client = Arc::make_mut(&mut self.client);
        client.key = map(std::mem::take(&mut client.key));
        self
    }
}

token_source!(ClientCredentials, client);
