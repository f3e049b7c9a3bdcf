//! Clerk's machine-to-machine tokens.

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
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use http_body::Body;
use serde::{Deserialize, Deserializer};
use tower_service::Service;
use zeroize::Zeroizing;

use super::{
    ClientCredentials, Credentials, client,
    credentials::Proof,
    exchange::{self, Dialect, Terms},
    token_response::MalformedToken,
};
use crate::{
    BoxError,
    clock::Clock,
    error::{InvalidConfig, TokenErrorKind},
    token_cache::{Token, TokenError, TokenRequest, token::sensitive},
};

/// A source of Clerk's [M2M tokens](https://clerk.com/docs/guides/development/machine-auth/m2m-tokens), which a machine gets
/// for its secret key, `ak_…`. For Clerk's backend API itself use [`StaticToken`](crate::token_cache::StaticToken).
///
/// Each token costs money, so keep this source behind a [`TokenCacheLayer`](crate::TokenCacheLayer). Unless
/// [`expires_in`](Self::expires_in) asks for an end a token has none (`expiration` is `null`): it is fetched once, and again
/// only when a server rejects it. What is said of the [endpoint's own client](ClientCredentials) goes for this one too.
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
/// let source = ClerkM2m::new(http, "ak_0123456789")?.expires_in(Duration::from_secs(3600))?;
/// let layer = TokenCacheLayer::new(source).allow_origin("https://orders.acme.com".parse()?);
/// # Ok::<(), tower_heed::error::InvalidConfig>(())
/// ```
pub struct ClerkM2m<S, B> {
    service: S,
    machine: Arc<Machine>,
    body: PhantomData<fn() -> B>,
}

/// A machine as Clerk knows it.
#[derive(Clone, Debug)]
struct Machine {
    endpoint: Uri,
    credentials: Credentials,
    seconds: Option<u64>,
    terms: Terms,
}

/// The part of the answer that is read.
#[derive(Deserialize)]
struct Raw {
    token: Zeroizing<String>,
    /// Unix milliseconds. `null`, and the token has no end; not there, and nothing is said about it.
    #[serde(default, deserialize_with = "said")]
    expiration: Option<Option<u64>>,
    created_at: Option<u64>,
}

fn said<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(value).map(Some)
}

const ENDPOINT: &str = "https://api.clerk.com/v1/m2m_tokens";

// === impl ClerkM2m ===

impl<S, B> ClerkM2m<S, B> {
    /// The machine with this secret key, reached by `service`. The key can be replaced while running: see [`Credentials`].
    ///
    /// # Errors
    ///
    /// The key is empty or holds a control character.
    pub fn new<C>(service: S, machine_secret_key: C) -> Result<Self, InvalidConfig>
    where
        S: Service<Request<B>>,
        B: From<Bytes>,
        C: TryInto<Credentials>,
        C::Error: Into<InvalidConfig>,
    {
        let machine = Machine {
            endpoint: client::parse(ENDPOINT)?,
            credentials: machine_secret_key.try_into().map_err(Into::into)?,
            seconds: None,
            terms: Terms {
                clock: Clock::default(),
                timeout: ClientCredentials::<(), ()>::DEFAULT_TIMEOUT,
            },
        };
        Ok(Self { service, machine: Arc::new(machine), body: PhantomData })
    }

    /// Asks for tokens that live this long, in whole seconds.
    ///
    /// # Errors
    ///
    /// Less than a second.
    pub fn expires_in(self, life: Duration) -> Result<Self, InvalidConfig> {
        if life.as_secs() == 0 {
            return Err(InvalidConfig::new("life of M2M tokens", "it is less than a second"));
        }
        Ok(self.map(|machine| machine.seconds = Some(life.as_secs())))
    }

    /// Asks at another address than Clerk's own, `https://api.clerk.com/v1/m2m_tokens`.
    ///
    /// # Errors
    ///
    /// It is no `https` address (or `http` on a loopback address), or holds a user name.
    pub fn token_endpoint(self, endpoint: &str) -> Result<Self, InvalidConfig> {
        let endpoint = client::parse(endpoint)?;
        client::refuse_clear_text(&endpoint)?;
        Ok(self.map(|machine| machine.endpoint = endpoint))
    }

    /// How long one exchange may take, from the request to the end of the answer's body: ten seconds, unless set.
    ///
    /// # Errors
    ///
    /// Zero.
    pub fn timeout(self, limit: Duration) -> Result<Self, InvalidConfig> {
        if limit.is_zero() {
            return Err(InvalidConfig::new("M2M token timeout", "it is zero"));
        }
        Ok(self.map(|machine| machine.terms.timeout = limit))
    }

    /// Takes the time, by which dates in headers are read, from `clock`.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        self.map(|machine| machine.terms.clock = clock)
    }

    fn map(mut self, change: impl FnOnce(&mut Machine)) -> Self {
        change(Arc::make_mut(&mut self.machine));
        self
    }
}

impl<S, B, ResponseBody> Service<TokenRequest> for ClerkM2m<S, B>
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

    fn call(&mut self, _request: TokenRequest) -> Self::Future {
        // Before the credentials are read: see `Credentials::replace`.
        let version = self.machine.credentials.version();
        let sent = self.machine.request().map(|request| self.service.call(request));
        let machine = Arc::clone(&self.machine);
        Box::pin(async move {
            let exchanged = exchange::exchange(&machine.terms, CLERK, sent).await;
            exchanged.map_err(|error| machine.credentials.judge(version, error))
        })
    }
}

impl<S: Clone, B> Clone for ClerkM2m<S, B> {
    fn clone(&self) -> Self {
        let (service, machine) = (self.service.clone(), Arc::clone(&self.machine));
        Self { service, machine, body: PhantomData }
    }
}

impl<S, B> fmt::Debug for ClerkM2m<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClerkM2m").field("machine", &self.machine).finish_non_exhaustive()
    }
}

// === impl Machine ===

impl Machine {
    fn request<B: From<Bytes>>(&self) -> Result<Request<B>, TokenError> {
        let unsent = || TokenError::new(TokenErrorKind::Rejected);
        let bearer = match &*self.credentials.proof() {
            Proof::Secret(secret) => sensitive(&[b"Bearer ", secret.as_bytes()]),
            #[cfg(feature = "private-key-jwt")]
            Proof::Key(_) => None,
        };
        let body = match self.seconds {
            Some(seconds) => Bytes::from(format!("{{\"seconds_until_expiration\":{seconds}}}")),
            None => Bytes::from_static(b"{}"),
        };
        let mut request = Request::new(B::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, bearer.ok_or_else(unsent)?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(request)
    }
}

const CLERK: Dialect = Dialect { token, described };

fn token(status: StatusCode, body: &[u8]) -> Result<Token, TokenError> {
    let not_json = || exchange::malformed(status, MalformedToken::NotJson);
    // An array would do as well: serde fills a struct from the elements in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(not_json());
    }
    let raw: Raw = serde_json::from_slice(body).map_err(|_| not_json())?;
    let token = Token::bearer(raw.token.as_bytes())?;
    Ok(match raw.expiration {
        None => token,
        Some(None) => token.without_expiry(),
        // Both are of Clerk's clock, so ours need not be right. An end that has passed is a life of zero: malformed.
        Some(Some(end)) => {
            let begin = raw.created_at.ok_or_else(not_json)?;
            token.expires_in(Duration::from_millis(end.saturating_sub(begin)))
        }
    })
}

/// The error with the code of Clerk's own error body.
fn described(error: TokenError, body: &[u8]) -> TokenError {
    #[derive(Deserialize)]
    struct Body {
        errors: Vec<Said>,
    }
    #[derive(Deserialize)]
    struct Said {
        code: String,
    }
    let plain = |code: &str| {
        code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    match serde_json::from_slice(body) {
        Ok(Body { errors }) => match errors.first() {
            Some(said) if plain(&said.code) => error.with_code(&said.code),
            _ => error,
        },
        Err(_) => error,
    }
}
