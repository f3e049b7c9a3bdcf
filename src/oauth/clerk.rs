//! Clerk's machine-to-machine tokens.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::{
    Credentials, HttpService, client,
    credentials::Proof,
    echo::Secrets,
    exchange::{self, Content, Terms, Transport},
    oauth_error::is_shown,
    source::{token_source, traced},
    token_response::MalformedToken,
};
use crate::{
    clock::Clock,
    error::{InvalidConfig, TokenError},
    token_cache::{Token, TokenRequest, token::sensitive},
};

/// A source of Clerk's [M2M tokens](https://clerk.com/docs/guides/development/machine-auth/m2m-tokens), which a machine gets
/// for its secret key, `ak_…`. For Clerk's backend API itself use [`StaticToken`](crate::token_cache::StaticToken).
///
/// Each token costs money, so keep this source behind a [`TokenCacheLayer`](crate::TokenCacheLayer). Without
/// [`expires_in`](Self::expires_in) a token does not expire (`expiration` is `null`): it is fetched once, and again only when a
/// server rejects it. See [`ClientCredentials`](super::ClientCredentials) about the endpoint's own client.
///
/// ```
/// # use std::convert::Infallible;
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// use std::time::Duration;
/// use bytes::Bytes;
/// use tower_heed::{oauth::ClerkM2m, token_cache::TokenCacheLayer};
///
/// # let http = tower::service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
/// let source = ClerkM2m::new(http, "ak_0123456789")?.expires_in(Duration::from_secs(3600));
/// let layer = TokenCacheLayer::new(source).allow_origin("https://orders.acme.com".parse()?);
/// # Ok::<(), tower_heed::error::InvalidConfig>(())
/// ```
#[derive(Clone)]
pub struct ClerkM2m {
    transport: Transport,
    machine: Arc<Machine>,
}

/// A machine as Clerk knows it.
#[derive(Clone, Debug)]
struct Machine {
    endpoint: Uri,
    credentials: Credentials,
    seconds: Option<u64>,
    terms: Terms,
}

/// The part of the response that is read.
#[derive(Deserialize)]
struct Raw {
    token: Zeroizing<String>,
    /// Unix milliseconds. With `null` the token does not expire; without the member its lifetime is unknown.
    #[serde(default, deserialize_with = "present")]
    expiration: Option<Option<u64>>,
    created_at: Option<u64>,
}

fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(value).map(Some)
}

const ENDPOINT: &str = "https://api.clerk.com/v1/m2m_tokens";

// === impl ClerkM2m ===

impl ClerkM2m {
    /// The machine with this secret key, reached through `service`. The key can be replaced at run time: see [`Credentials`].
    ///
    /// # Errors
    ///
    /// The key is empty or has a control character.
    pub fn new<B, C>(
        service: impl HttpService<B>,
        machine_secret_key: C,
    ) -> Result<Self, InvalidConfig>
    where
        C: TryInto<Credentials>,
        C::Error: Into<InvalidConfig>,
    {
        Self::with_endpoint(service, ENDPOINT, machine_secret_key)
    }

    /// As [`new`](Self::new), at another address than `https://api.clerk.com/v1/m2m_tokens`.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); or it is no `https` address (or `http` on a loopback address), or has a user name.
    pub fn with_endpoint<B, C>(
        service: impl HttpService<B>,
        endpoint: &str,
        machine_secret_key: C,
    ) -> Result<Self, InvalidConfig>
    where
        C: TryInto<Credentials>,
        C::Error: Into<InvalidConfig>,
    {
        let endpoint = client::parse(endpoint)?;
        client::reject_clear_text(&endpoint)?;
        let machine = Machine {
            endpoint,
            credentials: machine_secret_key.try_into().map_err(Into::into)?,
            seconds: None,
            terms: Terms::default(),
        };
        Ok(Self { transport: service.into_transport(), machine: Arc::new(machine) })
    }

    /// Requests tokens of this lifetime, in whole seconds; at least one.
    #[must_use]
    pub fn expires_in(self, lifetime: Duration) -> Self {
        self.map(|machine| machine.seconds = Some(lifetime.as_secs().max(1)))
    }

    /// How long one exchange may take, from the request to the end of the response body: ten seconds, unless set; at least a
    /// millisecond.
    #[must_use]
    pub fn timeout(self, limit: Duration) -> Self {
        self.map(|machine| machine.terms.set_timeout(limit))
    }

    /// Reads dates in headers by `clock`.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        self.map(|machine| machine.terms.clock = clock)
    }

    async fn token(self, _: TokenRequest) -> Result<Token, TokenError> {
        let Self { transport, machine } = self;
        // Before the credentials are read: see `Credentials::replace`.
        let version = machine.credentials.version();
        let obtained = machine.obtain(&transport);
        let obtained = traced("clerk_m2m", &machine.endpoint, TokenError::kind, obtained).await;
        obtained.map_err(|error| machine.credentials.outdate(version, error))
    }

    fn map(mut self, change: impl FnOnce(&mut Machine)) -> Self {
        change(Arc::make_mut(&mut self.machine));
        self
    }
}

token_source!(ClerkM2m, machine);

// === impl Machine ===

impl Machine {
    async fn obtain(&self, transport: &Transport) -> Result<Token, TokenError> {
        let proof = self.credentials.proof();
        let Proof::Secret(key) = &*proof else { return Err(client::unsent()) };
        let mut secrets = Secrets::default();
        secrets.add(key);
        let request = self.request(key).ok_or_else(client::unsent)?;
        let reply = transport.exchange(&self.terms, request, self.terms.until()).await?;
        match reply.content {
            Content::Success(body) => token(reply.status, &body),
            Content::Failure(error, body) => Err(match body {
                Some(body) => described(error, &body, &secrets),
                None => error,
            }),
        }
    }

    fn request(&self, key: &str) -> Option<Request<Bytes>> {
        let bearer = sensitive(&[b"Bearer ", key.as_bytes()])?;
        let body = match self.seconds {
            Some(seconds) => Bytes::from(format!("{{\"seconds_until_expiration\":{seconds}}}")),
            None => Bytes::from_static(b"{}"),
        };
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, bearer);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Some(request)
    }
}

fn token(status: StatusCode, body: &[u8]) -> Result<Token, TokenError> {
    let not_json = || exchange::malformed(status, MalformedToken::NotJson);
    // Serde would also fill the struct from an array.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(not_json());
    }
    let raw: Raw = serde_json::from_slice(body).map_err(|_| not_json())?;
    let token = Token::bearer(raw.token.as_bytes())?;
    Ok(match raw.expiration {
        None => token,
        Some(None) => token.without_expiry(),
        // Both are by Clerk's clock, so ours need not be right. One that has passed is a lifetime of zero: malformed.
        Some(Some(expiration)) => {
            let created_at = raw.created_at.ok_or_else(not_json)?;
            token.expires_in(Duration::from_millis(expiration.saturating_sub(created_at)))
        }
    })
}

/// The error with the code of Clerk's own error body.
fn described(error: TokenError, body: &[u8], secrets: &Secrets) -> TokenError {
    #[derive(Deserialize)]
    struct Body {
        errors: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        code: String,
    }
    match serde_json::from_slice(body) {
        Ok(Body { errors }) => match errors.first() {
            Some(entry) if is_shown(&entry.code, secrets) => error.with_code(&entry.code),
            _ => error,
        },
        Err(_) => error,
    }
}
