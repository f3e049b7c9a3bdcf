//! Tokens that are bound to a key, [RFC 9449](https://www.rfc-editor.org/rfc/rfc9449).

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::SystemTime,
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};
use serde_json::{Map, Value, json};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    PrivateKey, SigningAlgorithm,
    assertion::{BACKDATED, random_id},
};
use crate::{
    BoxError,
    body::{ReplayableBody, with_body},
    clock::Clock,
    error::{Error, InvalidConfig, Phase},
    extensions::Deadline,
    headers::challenge_parameter,
    ready::{NotReady, make_ready},
    token_cache::token::sensitive,
};

const DPOP: HeaderName = HeaderName::from_static("dpop");
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// The servers whose nonces are remembered: the issuer, and the APIs of one client.
const MAX_NONCES: usize = 64;

/// The longest nonce that is used. Real ones have a few dozen bytes.
const MAX_NONCE_LEN: usize = 1024;

/// The key that tokens are bound to. Clones share it, and the nonces that servers ask for.
///
/// Okta's clients ask for such tokens by default. Give the same key to the source and to a [`DpopLayer`] around the API's client:
///
/// ```
/// # use std::convert::Infallible;
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// use bytes::Bytes;
/// use tower::{Layer, ServiceBuilder};
/// use tower_heed::{TokenCacheLayer, oauth::{ClientCredentials, DpopKey, DpopLayer, PrivateKey}};
///
/// # fn client(client_key: PrivateKey) -> Result<(), tower_heed::BoxError> {
/// # let http = tower::service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
/// let key = DpopKey::generate()?;
/// let source = ClientCredentials::okta_org(http.clone(), "acme.okta.com", "my-client", client_key)?
///     .scopes("okta.users.read")
///     .dpop(key.clone());
/// let client = ServiceBuilder::new()
///     .layer(TokenCacheLayer::new(source).allow_origin("https://acme.okta.com".parse()?))
///     .layer(DpopLayer::new(key))
///     .service(http);
/// # drop(client);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DpopKey(Arc<Shared>);

struct Shared {
    key: PrivateKey,
    public: Value,
    nonces: Mutex<BTreeMap<String, HeaderValue>>,
}

/// Proves the possession of the key, for each request whose `Authorization` is of the scheme `DPoP`.
///
/// It belongs inside of the [`TokenCacheLayer`](crate::TokenCacheLayer), which attaches the token, and of a retry layer: each attempt
/// needs a proof of its own. A 401 that asks for a nonce (`use_dpop_nonce`) is answered once by the same request with the nonce, if its
/// body can be sent twice: the server has not processed it. Other requests pass unchanged, as do those that have a proof.
#[derive(Clone, Debug)]
pub struct DpopLayer {
    key: DpopKey,
    clock: Clock,
}

/// The service that [`DpopLayer`] makes.
#[derive(Clone, Debug)]
pub struct DpopService<S> {
    inner: S,
    layer: DpopLayer,
}

// === impl DpopKey ===

impl DpopKey {
    /// A new key, for this process alone: its tokens are of no use to another one, and a
    /// [shared](crate::token_cache#a-fleet) store keeps them apart.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub fn generate() -> Result<Self, InvalidConfig> {
        PrivateKey::generate()
            .and_then(Self::of)
            .ok_or_else(|| InvalidConfig::new("DPoP key", "the system gives no random numbers"))
    }

    /// The key on the curve P-256 in a PEM file (PKCS #8 or SEC 1): for tokens that outlive the process, as the refresh tokens of
    /// public clients do, which are bound to the key as well, and for a fleet whose processes share one token.
    ///
    /// # Errors
    ///
    /// There is no such key in it. The error shows nothing of it.
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<Self, InvalidConfig> {
        let key = PrivateKey::from_pem(SigningAlgorithm::Es256, pem)?;
        Self::of(key).ok_or_else(|| InvalidConfig::new("DPoP key", "it has no public key"))
    }

    fn of(key: PrivateKey) -> Option<Self> {
        // An uncompressed point: 4, x, y.
        let point = key.public_point()?;
        let coordinate = |from| Some(BASE64_URL_SAFE_NO_PAD.encode(point.get(from..from + 32)?));
        let public =
            json!({ "kty": "EC", "crv": "P-256", "x": coordinate(1)?, "y": coordinate(33)? });
        Some(Self(Arc::new(Shared { key, public, nonces: Mutex::default() })))
    }

    /// What names the key ([RFC 7638](https://www.rfc-editor.org/rfc/rfc7638)).
    pub(super) fn thumbprint(&self) -> String {
        let member = |name| self.0.public.get(name).and_then(Value::as_str).unwrap_or_default();
        // Its members in this order, without white space.
        let [curve, kind, x, y] = ["crv", "kty", "x", "y"].map(member);
        let public = format!(r#"{{"crv":"{curve}","kty":"{kind}","x":"{x}","y":"{y}"}}"#);
        BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, public.as_bytes()))
    }

    /// Adds the proof for this request. None if it cannot be signed.
    pub(super) fn prove<B>(&self, request: &mut Request<B>, now: SystemTime) -> Option<()> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut claims = Map::new();
        claims.insert("jti".to_owned(), random_id()?.into());
        claims.insert("htm".to_owned(), request.method().as_str().into());
        claims.insert("htu".to_owned(), address(request.uri()).into());
        claims.insert("iat".to_owned(), now.saturating_sub(BACKDATED).as_secs().into());
        if let Some(nonce) = self.nonce(request.uri()) {
            claims.insert("nonce".to_owned(), nonce.to_str().ok()?.into());
        }
        if let Some(token) = dpop_token(request.headers()) {
            let hash = digest(&SHA256, token);
            claims.insert("ath".to_owned(), BASE64_URL_SAFE_NO_PAD.encode(hash).into());
        }
        let mut header = Map::new();
        header.insert("typ".to_owned(), "dpop+jwt".into());
        header.insert("jwk".to_owned(), self.0.public.clone());
        let proof = self.0.key.jwt(header, claims)?;
        request.headers_mut().insert(DPOP, sensitive(&[proof.as_bytes()])?);
        Some(())
    }

    /// Takes note of the nonce that a server gives for the next request. False if it gives none.
    pub(super) fn heard(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let nonce = headers.get(&NONCE).filter(|nonce| nonce.len() <= MAX_NONCE_LEN);
        let Some(nonce) = nonce.filter(|nonce| nonce.to_str().is_ok()) else { return false };
        let (mut nonces, server) = (self.nonces(), server(uri));
        if nonces.len() >= MAX_NONCES && !nonces.contains_key(&server) {
            // The server gives another one when it is asked again.
            nonces.pop_first();
        }
        nonces.insert(server, nonce.clone());
        true
    }

    fn nonce(&self, uri: &Uri) -> Option<HeaderValue> {
        self.nonces().get(&server(uri)).cloned()
    }

    fn nonces(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, HeaderValue>> {
        self.0.nonces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for DpopKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopKey").field("key", &self.0.key).finish_non_exhaustive()
    }
}

// === impl DpopLayer ===

impl DpopLayer {
    /// Proves the possession of `key`, to which the source's tokens are bound.
    #[must_use]
    pub fn new(key: DpopKey) -> Self {
        Self { key, clock: Clock::default() }
    }

    /// Dates the proofs by `clock`.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }
}

impl<S> Layer<S> for DpopLayer {
    type Service = DpopService<S>;

    fn layer(&self, inner: S) -> DpopService<S> {
        DpopService { inner, layer: self.clone() }
    }
}

// === impl DpopService ===

impl<S> DpopService<S> {
    inner_accessors!();
}

impl<S, B, ResponseBody> Service<Request<B>> for DpopService<S>
where
    S: Service<Request<B>, Response = Response<ResponseBody>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: ReplayableBody + Send + 'static,
    ResponseBody: Send + 'static,
{
    type Response = Response<ResponseBody>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let bound = dpop_token(request.headers()).is_some();
        if !bound || request.headers().contains_key(&DPOP) {
            let sent = self.inner.call(request);
            return Box::pin(async move { sent.await.map_err(Into::into) });
        }
        let unready = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, unready);
        let DpopLayer { key, clock } = self.layer.clone();
        Box::pin(async move {
            let uri = request.uri().clone();
            let again = request.body().try_clone().map(|body| with_body(&request, body));
            key.prove(&mut request, clock.system_time())
                .ok_or("the DPoP proof cannot be signed")?;
            let response = inner.call(request).await.map_err(Into::into)?;
            if !key.heard(&uri, response.headers()) || !asks_for_nonce(&response) {
                return Ok(response);
            }
            let Some(mut again) = again else { return Ok(response) };
            let Some(body) = again.body().rewind() else { return Ok(response) };
            *again.body_mut() = body;
            let deadline = Deadline::of(&again);
            key.prove(&mut again, clock.system_time()).ok_or("the DPoP proof cannot be signed")?;
            drop(response);
            let readied = make_ready(&mut inner, deadline).await;
            let timeout = |NotReady(limit)| Error::timeout(limit, Phase::Waiting, None);
            readied.map_err(timeout)??;
            inner.call(again).await.map_err(Into::into)
        })
    }
}

/// The token of an `Authorization` of the scheme `DPoP`.
fn dpop_token(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(b"DPoP ".len())?;
    scheme.eq_ignore_ascii_case(b"DPoP ").then_some(token)
}

fn asks_for_nonce<B>(response: &Response<B>) -> bool {
    let challenges: Vec<_> = response.headers().get_all(WWW_AUTHENTICATE).iter().cloned().collect();
    response.status() == StatusCode::UNAUTHORIZED
        && challenge_parameter(&challenges, "error").as_deref() == Some("use_dpop_nonce")
}

/// The address without its query (RFC 9449 §4.2).
fn address(uri: &Uri) -> String {
    let (scheme, authority) = (uri.scheme_str().unwrap_or("https"), uri.authority());
    let authority = authority.map_or("", |authority| authority.as_str());
    format!("{scheme}://{authority}{}", uri.path())
}

fn server(uri: &Uri) -> String {
    let (scheme, authority) = (uri.scheme_str().unwrap_or_default(), uri.authority());
    format!("{scheme}://{}", authority.map_or("", |authority| authority.as_str()))
}
