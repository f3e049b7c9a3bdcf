//! The JWT bearer grant, [RFC 7523 §2.1](https://www.rfc-editor.org/rfc/rfc7523#section-2.1).

use std::{future::Future, pin::Pin, sync::Arc};

use zeroize::Zeroizing;

use super::{
    ClientCredentials,
    client::{Client, Grant, of_function},
    exchange::Transport,
    source::token_source,
};
use crate::{
    BoxError,
    error::TokenError,
    token_cache::{Token, TokenRequest},
};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A source of tokens for an assertion about a user or a service account.
///
/// `google` (feature `private-key-jwt`) is for Google's service accounts. Another assertion comes from a function of yours: the token
/// of the user who called, for Entra's *on behalf of*, or one that an `Assertion` signs.
///
/// ```
/// # use std::convert::Infallible;
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// use bytes::Bytes;
/// use tower_heed::{TokenCacheLayer, oauth::{ClientCredentials, JwtBearer}};
///
/// #[derive(Clone)]
/// struct UserToken(String);
///
/// # let http = tower::service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
/// // Entra, on behalf of the user. The request has the user's token in its extensions, and a `TokenScope` that names the user.
/// let endpoint = "https://login.microsoftonline.com/my-tenant/oauth2/v2.0/token";
/// let client = ClientCredentials::new(http, endpoint, "my-client", "my-secret")?
///     .scopes("https://graph.microsoft.com/.default")
///     .parameter("requested_token_use", "on_behalf_of")?;
/// let source = JwtBearer::new(client, |request| async move {
///     let user: Option<&UserToken> = request.extensions().get();
///     Ok(user.ok_or("the request has no user")?.0.clone())
/// });
/// let layer = TokenCacheLayer::new(source).allow_origin("https://graph.microsoft.com".parse()?);
/// # drop(layer);
/// # Ok::<(), tower_heed::error::InvalidConfig>(())
/// ```
///
/// How the client proves itself, the audience, scopes and further parameters are those of the [`ClientCredentials`], where the
/// request's key names no others.
///
/// # Errors
///
/// [`TokenError`] as of [`ClientCredentials`]; that of the function, or a
/// [`Rejected`](crate::error::TokenErrorKind::Rejected) with its error as the source.
#[derive(Clone)]
pub struct JwtBearer {
    transport: Transport,
    client: Arc<Client>,
    assertion: Writer,
}

/// Where an assertion comes from.
#[derive(Clone)]
enum Writer {
    Function(Arc<dyn Fn(TokenRequest) -> Written + Send + Sync>),
    /// An assertion that has the scopes as a claim, as Google reads it.
    #[cfg(feature = "private-key-jwt")]
    Google(super::Assertion),
}

type Written = Pin<Box<dyn Future<Output = Result<Zeroizing<String>, BoxError>> + Send>>;

// === impl JwtBearer ===

impl JwtBearer {
    /// Sends the assertion that `assertion` gives for a request.
    #[must_use]
    pub fn new<F, Fut, T>(client: ClientCredentials, assertion: F) -> Self
    where
        F: Fn(TokenRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, BoxError>> + Send + 'static,
        T: Into<String>,
    {
        let ClientCredentials { transport, client } = client;
        let assertion = Arc::new(move |request| -> Written {
            let written = assertion(request);
            Box::pin(async move { Ok(Zeroizing::new(written.await?.into())) })
        });
        Self { transport, client, assertion: Writer::Function(assertion) }
    }

    /// Asks for these scopes, separated by spaces, besides those asked for already.
    #[must_use]
    pub fn scopes(mut self, scopes: &str) -> Self {
        let client = Arc::make_mut(&mut self.client);
        client.key = std::mem::take(&mut client.key).with_scopes(scopes);
        self
    }

    async fn token(self, request: TokenRequest) -> Result<Token, TokenError> {
        let Self { transport, client, assertion } = self;
        let key = request.key().or(&client.key);
        let (assertion, key) = match assertion {
            Writer::Function(assertion) => (assertion(request).await.map_err(of_function)?, key),
            #[cfg(feature = "private-key-jwt")]
            Writer::Google(assertion) => {
                let scopes = key.scopes().collect::<Vec<_>>().join(" ");
                let signed = assertion.claim("scope", scopes).sign(client.terms.issuer_time())?;
                (signed, crate::token_cache::TokenKey::new())
            }
        };
        let grant = Grant::new(GRANT).with_secret("assertion", &assertion).with_key(&key);
        let until = client.terms.until();
        client.token(&client.obtain(&transport, grant, until).await?)
    }
}

#[cfg(feature = "private-key-jwt")]
impl JwtBearer {
    /// A [service account](https://developers.google.com/identity/protocols/oauth2/service-account) of Google: `key` is the JSON file
    /// that its console gives. Name the [`scopes`](Self::scopes).
    ///
    /// ```no_run
    /// # use std::convert::Infallible;
    /// # use http::{Request, Response};
    /// # use http_body_util::Full;
    /// use bytes::Bytes;
    /// use tower_heed::{TokenCacheLayer, oauth::JwtBearer};
    ///
    /// # fn main() -> Result<(), tower_heed::BoxError> {
    /// # let http = tower::service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
    /// let source = JwtBearer::google(http, std::fs::read("service-account.json")?)?
    ///     .scopes("https://www.googleapis.com/auth/cloud-platform");
    /// let layer = TokenCacheLayer::new(source).allow_origin("https://storage.googleapis.com".parse()?);
    /// # drop(layer);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// It is no key file, or its token endpoint is no `https` address. The error shows nothing of the key.
    pub fn google<B>(
        service: impl super::HttpService<B>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, crate::error::InvalidConfig> {
        #[derive(serde::Deserialize)]
        struct File {
            client_email: String,
            private_key: Zeroizing<String>,
            private_key_id: String,
            token_uri: String,
        }
        let why = "expected JSON with client_email, private_key, private_key_id and token_uri";
        let file: File = serde_json::from_slice(key.as_ref())
            .map_err(|_| crate::error::InvalidConfig::new("service account key", why))?;
        let client = Client::unknown(&file.token_uri)?;
        client.reject_clear_text()?;
        let key = super::PrivateKey::from_pem(super::SigningAlgorithm::Rs256, &*file.private_key)?;
        // Google takes an hour at most.
        let assertion = super::Assertion::new(key.key_id(file.private_key_id))
            .issuer(file.client_email)
            .audience(file.token_uri);
        let assertion = Writer::Google(assertion);
        Ok(Self { transport: service.into_transport(), client: Arc::new(client), assertion })
    }

    /// Acts in the name of this user of the domain (Google's domain-wide delegation): the `sub` of the assertion that `google` signs.
    #[must_use]
    pub fn subject(mut self, user: impl Into<String>) -> Self {
        if let Writer::Google(assertion) = self.assertion {
            self.assertion = Writer::Google(assertion.subject(user));
        }
        self
    }
}

token_source!(JwtBearer, client);
