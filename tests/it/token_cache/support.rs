//! A scripted source of tokens, and an API that knows which it accepts.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header::AUTHORIZATION};
use http_body_util::Full;
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt};
use tower_heed::{
    BoxError, TokenCacheLayer,
    clock::Clock,
    error::{TokenError, TokenErrorKind, find},
    token_cache::{FetchReason, Token, TokenCache, TokenRequest},
};

pub type Body = Full<Bytes>;

pub const SECOND: Duration = Duration::from_secs(1);
/// As long a 401 may mean that a server does not know the token yet.
pub const YOUNG: Duration = Duration::from_secs(5);
pub const HOUR: Duration = Duration::from_secs(3600);

/// A source that responds as scripted, then with `token-N` for an hour.
#[derive(Clone, Default)]
pub struct Source {
    shared: Arc<Mutex<SourceState>>,
}

#[derive(Default)]
struct SourceState {
    script: VecDeque<Reply>,
    requests: Vec<TokenRequest>,
    called_at: Vec<Instant>,
}

/// What a source does when it is called.
pub struct Reply {
    pub after: Duration,
    pub with: With,
}

pub enum With {
    /// `token-N`, N being the number of the request, with this lifetime.
    Lifetime(Duration),
    Token(Token),
    Error(TokenError),
    Panic,
    Nothing,
}

/// An API that accepts the tokens of a list, and responds 401 to others.
#[derive(Clone, Default)]
pub struct Api {
    shared: Arc<Mutex<ApiState>>,
}

#[derive(Default)]
struct ApiState {
    accepted: Option<Vec<String>>,
    delay: Duration,
    responses: VecDeque<Response<Body>>,
    seen: Vec<HeaderMap>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Source ===

impl Source {
    /// Scripts the next reply.
    pub fn gives(&self, after: Duration, with: With) -> &Self {
        lock(&self.shared).script.push_back(Reply { after, with });
        self
    }

    pub fn fails(&self, failure: TokenErrorKind) -> &Self {
        self.gives(Duration::ZERO, With::Error(TokenError::new(failure)))
    }

    /// How often it was called.
    pub fn calls(&self) -> usize {
        lock(&self.shared).requests.len()
    }

    pub fn reasons(&self) -> Vec<FetchReason> {
        lock(&self.shared).requests.iter().map(TokenRequest::reason).collect()
    }

    pub fn requests(&self) -> Vec<TokenRequest> {
        lock(&self.shared).requests.clone()
    }

    pub fn called_at(&self) -> Vec<Instant> {
        lock(&self.shared).called_at.clone()
    }
}

impl Service<TokenRequest> for Source {
    type Response = Token;
    type Error = TokenError;
    type Future = Pin<Box<dyn Future<Output = Result<Token, TokenError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TokenError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: TokenRequest) -> Self::Future {
        let mut state = lock(&self.shared);
        state.requests.push(request);
        state.called_at.push(Instant::now());
        let number = state.requests.len();
        let reply = state.script.pop_front();
        let Reply { after, with } =
            reply.unwrap_or(Reply { after: Duration::ZERO, with: With::Lifetime(HOUR) });
        Box::pin(async move {
            if !after.is_zero() {
                sleep(after).await;
            }
            match with {
                With::Lifetime(lifetime) => {
                    Ok(Token::bearer(format!("token-{number}"))?.expires_in(lifetime))
                }
                With::Token(token) => Ok(token),
                With::Error(error) => Err(error),
                With::Panic => panic!("the source's own panic"),
                With::Nothing => std::future::pending().await,
            }
        })
    }
}

// === impl Api ===

impl Api {
    /// From now on only these tokens are accepted; before, all are.
    pub fn accept(&self, tokens: &[&str]) -> &Self {
        lock(&self.shared).accepted =
            Some(tokens.iter().map(|token| (*token).to_owned()).collect());
        self
    }

    /// Responds to the next request like this, whatever its token.
    pub fn respond(&self, status: u16, headers: &[(&str, &str)]) -> &Self {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        lock(&self.shared).responses.push_back(response.body(Body::default()).unwrap());
        self
    }

    /// Takes this long for each response.
    pub fn delay(&self, delay: Duration) -> &Self {
        lock(&self.shared).delay = delay;
        self
    }

    /// How many requests it has seen.
    pub fn seen(&self) -> usize {
        lock(&self.shared).seen.len()
    }

    /// The headers of each request.
    pub fn headers(&self) -> Vec<HeaderMap> {
        lock(&self.shared).seen.clone()
    }

    /// The `Authorization` of each request; empty where there was none.
    pub fn authorizations(&self) -> Vec<String> {
        let text = |headers: &HeaderMap| {
            let values: Vec<_> = headers.get_all(AUTHORIZATION).iter().collect();
            assert!(values.len() <= 1, "more than one Authorization");
            values.first().map_or(String::new(), |value| value.to_str().unwrap().to_owned())
        };
        lock(&self.shared).seen.iter().map(text).collect()
    }

    /// The tokens of all requests so far.
    pub fn tokens(&self) -> Vec<String> {
        self.authorizations()
            .iter()
            .map(|value| value.trim_start_matches("Bearer ").to_owned())
            .collect()
    }
}

impl Service<Request<Body>> for Api {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let delay = lock(&shared).delay;
            if !delay.is_zero() {
                sleep(delay).await;
            }
            let mut state = lock(&shared);
            let sent = request.headers().get(AUTHORIZATION).map(|value| value.to_str().unwrap());
            let accepted =
                match (&state.accepted, sent.and_then(|value| value.strip_prefix("Bearer "))) {
                    (None, _) => true,
                    (Some(accepted), Some(token)) => accepted.iter().any(|known| known == token),
                    (Some(_), None) => false,
                };
            state.seen.push(request.headers().clone());
            if let Some(response) = state.responses.pop_front() {
                return Ok(response);
            }
            let status = if accepted { 200 } else { 401 };
            Ok(Response::builder().status(status).body(Body::from(format!("{status}")))?)
        })
    }
}

pub fn get(path: &str) -> Request<Body> {
    Request::get(format!("https://id.example{path}")).body(Body::default()).unwrap()
}

/// A layer for `https://id.example` over `source`, whose wall clock follows the paused time.
pub fn layer(source: &Source) -> TokenCacheLayer {
    TokenCacheLayer::new(source.clone())
        .allow_origin("https://id.example".parse().unwrap())
        .clock(Clock::starting_at(SystemTime::UNIX_EPOCH + 100 * HOUR))
}

/// An API behind a cache, the source of its tokens, and the cache.
pub fn cached() -> (TokenCache<Api>, Api, Source) {
    let (source, api) = (Source::default(), Api::default());
    (layer(&source).layer(api.clone()), api, source)
}

/// One call; its status.
pub async fn status(client: &TokenCache<Api>) -> u16 {
    call(client).await.unwrap().status().as_u16()
}

pub async fn call(client: &TokenCache<Api>) -> Result<Response<Body>, BoxError> {
    client.clone().oneshot(get("/users")).await
}

/// One call that gets no token; its error.
pub async fn no_token(client: &TokenCache<Api>) -> TokenError {
    token_error(&call(client).await.unwrap_err())
}

pub fn token_error(error: &BoxError) -> TokenError {
    find::<TokenError>(error.as_ref()).unwrap_or_else(|| panic!("no TokenError: {error}")).clone()
}

/// How long `future` takes.
pub async fn timed<F: Future>(future: F) -> (F::Output, Duration) {
    let start = Instant::now();
    let output = future.await;
    (output, Instant::now() - start)
}

/// Lets tasks run that are ready.
pub async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// A wall clock that the test sets, apart from the monotonic one.
#[derive(Clone)]
pub struct Wall(Arc<AtomicU64>);

impl Wall {
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_000_000)))
    }

    pub fn clock(&self) -> Clock {
        let secs = Arc::clone(&self.0);
        Clock::from_system_time(move || {
            SystemTime::UNIX_EPOCH + Duration::from_secs(secs.load(Ordering::SeqCst))
        })
    }

    pub fn forward(&self, span: Duration) {
        self.0.fetch_add(span.as_secs(), Ordering::SeqCst);
    }

    pub fn back(&self, span: Duration) {
        self.0.fetch_sub(span.as_secs(), Ordering::SeqCst);
    }
}
