//! Token exchange, [RFC 8693](https://www.rfc-editor.org/rfc/rfc8693).

use std::{fmt, future::Future, pin::Pin, sync::Arc};

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

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// A source that exchanges a user's token for one that another API accepts: the service calls in the user's name.
///
/// The user's token comes from a function of yours. Put it into the extensions of the API request, together with a
/// [`TokenScope`](crate::token_cache::TokenScope) whose key names the user: each user has an own token in the cache.
///
/// ```
/// # use std::convert::Infallible;
/// # use http::Response;
/// # use http_body_util::Full;
/// use bytes::Bytes;
/// use http::Request;
/// use tower_heed::{
///     TokenCacheLayer,
///     oauth::{ClientCredentials, SubjectToken, TokenExchange},
///     token_cache::{TokenKey, TokenScope},
/// };
///
/// #[derive(Clone)]
/// struct UserToken(String);
///
/// # let http = tower::service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
/// let client = ClientCredentials::new(http, "https://id.acme.com/token", "my-service", "my-secret")?
///     .audience("https://orders.acme.com");
/// let source = TokenExchange::new(client, |request| async move {
///     let user: Option<&UserToken> = request.extensions().get();
///     let UserToken(token) = user.ok_or("the request has no user")?;
///     Ok(SubjectToken::access_token(token))
/// });
/// let layer = TokenCacheLayer::new(source).allow_origin("https://orders.acme.com".parse()?);
///
/// // In a handler, for the user who called:
/// let request = Request::get("https://orders.acme.com/orders")
///     .extension(UserToken("eyJ…".to_owned()))
///     .extension(TokenScope::new(TokenKey::new().with_subject("user-17")));
/// # drop((layer, request));
/// # Ok::<(), tower_heed::error::InvalidConfig>(())
/// ```
///
/// Keycloak, Okta, Auth0 (custom token exchange) and Google's STS speak it; Entra's *on behalf of* is a
/// [`JwtBearer`](super::JwtBearer). How the client proves itself, the audience, scopes and further parameters (`resource`) are those
/// of the [`ClientCredentials`], where the request's key names no others.
///
/// # Errors
///
/// [`TokenError`] as of [`ClientCredentials`]; that of the function, or a
/// [`Rejected`](crate::error::TokenErrorKind::Rejected) with its error as the source.
#[derive(Clone)]
pub struct TokenExchange {
    transport: Transport,
    client: Arc<Client>,
    subject: Arc<dyn Fn(TokenRequest) -> Subject + Send + Sync>,
    requested_type: Option<String>,
}

type Subject = Pin<Box<dyn Future<Output = Result<SubjectToken, BoxError>> + Send>>;

/// The token that a [`TokenExchange`] exchanges, and who acts with it. `Debug` shows neither, and both are wiped.
#[derive(Clone)]
pub struct SubjectToken {
    token: Zeroizing<String>,
    token_type: String,
    actor: Option<(Zeroizing<String>, String)>,
}

// === impl TokenExchange ===

impl TokenExchange {
    /// Exchanges the token that `subject` gives for a request.
    #[must_use]
    pub fn new<F, Fut>(client: ClientCredentials, subject: F) -> Self
    where
        F: Fn(TokenRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<SubjectToken, BoxError>> + Send + 'static,
    {
        let ClientCredentials { transport, client } = client;
        let subject = Arc::new(move |request| -> Subject { Box::pin(subject(request)) });
        Self { transport, client, subject, requested_type: None }
    }

    /// Sets the `requested_token_type`, `urn:ietf:params:oauth:token-type:access_token` for example. By default it is not sent.
    #[must_use]
    pub fn requested_type(self, urn: impl Into<String>) -> Self {
        Self { requested_type: Some(urn.into()), ..self }
    }

    async fn token(self, request: TokenRequest) -> Result<Token, TokenError> {
        let Self { transport, client, subject, requested_type } = self;
        let key = request.key().or(&client.key);
        let subject = subject(request).await.map_err(of_function)?;
        let until = client.terms.until();
        let mut grant = Grant::new(GRANT)
            .with_secret("subject_token", &subject.token)
            .with("subject_token_type", subject.token_type.as_str());
        if let Some((token, token_type)) = &subject.actor {
            grant = grant.with_secret("actor_token", token).with("actor_token_type", token_type);
        }
        if let Some(requested) = requested_type {
            grant = grant.with("requested_token_type", requested);
        }
        client.token(&client.obtain(&transport, grant.with_key(&key), until).await?)
    }
}

token_source!(TokenExchange, client);

// === impl SubjectToken ===

impl SubjectToken {
    /// An access token.
    #[must_use]
    pub fn access_token(token: impl Into<String>) -> Self {
        Self::of_type(token, "urn:ietf:params:oauth:token-type:access_token")
    }

    /// An ID token.
    #[must_use]
    pub fn id_token(token: impl Into<String>) -> Self {
        Self::of_type(token, "urn:ietf:params:oauth:token-type:id_token")
    }

    /// A token of another type, `urn:ietf:params:oauth:token-type:jwt` for example.
    #[must_use]
    pub fn of_type(token: impl Into<String>, urn: impl Into<String>) -> Self {
        Self { token: Zeroizing::new(token.into()), token_type: urn.into(), actor: None }
    }

    /// Says who acts in the subject's name: the token of `actor`.
    #[must_use]
    pub fn with_actor(self, actor: Self) -> Self {
        Self { actor: Some((actor.token, actor.token_type)), ..self }
    }
}

impl fmt::Debug for SubjectToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectToken").field("token_type", &self.token_type).finish_non_exhaustive()
    }
}
