//! The recommended order of the layers, as one builder.
//!
//! ```text
//!                       requests                              why it stands here
//!                          │
//!           ┌──────────────▼─────────────┐
//!           │  FallbackLayer             │  decides what the caller gets when everything inside has failed
//!           │ ┌──────────────────────────┴┐
//!           │ │  TimeoutLayer             │  bounds the whole call: waits, retries, body
//!           │ │ ┌─────────────────────────┴┐
//!           │ │ │  RetryOnRateLimit        │  makes several attempts out of one call
//!           │ │ │ ┌────────────────────────┴┐
//!           │ │ │ │  ThrottleLayer          │  queues each attempt until the server will accept it
//!           │ │ │ │ ┌───────────────────────┴┐
//!           │ │ │ │ │  ErrorClassifyLayer    │  classifies the response of each attempt
//!           │ │ │ │ │ ┌──────────────────────┴┐
//!           │ │ │ │ │ │  TokenCacheLayer      │  attaches a valid token to each attempt
//!           │ │ │ │ │ │ ┌─────────────────────┴┐
//!           │ │ │ │ │ │ │  TimeoutLayer        │  bounds each attempt
//!           │ │ │ │ │ │ │ ┌────────────────────┴┐
//!           │ │ │ │ │ │ │ │  the client         │  hyper-util, reqwest, a test's service
//!           └─┴─┴─┴─┴─┴─┴─┴─────────────────────┘
//! ```
//!
//! Four layers are optional, and there is a fifth with the feature `response-cache`:
//!
//! * `TokenCacheLayer`, by [`token_cache`](Stack::token_cache);
//! * `FallbackLayer`, by [`fallback`](Stack::fallback): no default can know whether to fail open or closed;
//! * [`CircuitBreakerLayer`], by [`circuit_breaker`](Stack::circuit_breaker): between `RetryOnRateLimit` and `ThrottleLayer`, so that each
//!   attempt counts, and an open circuit ends the retries and the queue of all callers;
//! * [`AttemptSpanLayer`], by [`attempt_span`](Stack::attempt_span): between the token layer and the attempt's `TimeoutLayer`;
//! * `ResponseCacheLayer`, by `Stack::response_cache`: between the call's `TimeoutLayer` and `RetryOnRateLimit`, so that a stored
//!   response needs neither a permit nor a token, and a shared fetch is retried once for all its waiters.
//!
//! A [`DetachLayer`](crate::DetachLayer) goes around the whole stack; [ordering](crate::guide::ordering) has the other pieces that go
//! around it, or around the client inside.
//!
//! # Example
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{ServiceExt, service_fn};
//! use tower_heed::{RetryOnRateLimit, Stack, TimeoutLayer, TokenCacheLayer, token_cache::StaticToken};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), tower_heed::BoxError> {
//! let client = service_fn(|request: Request<Full<Bytes>>| async move {
//!     assert_eq!(request.headers()["authorization"], "Bearer sk_test_7");
//!     Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
//! });
//! let token = StaticToken::new("sk_test_7")?;
//! let stack = Stack::new()
//!     .call_timeout(TimeoutLayer::new(Duration::from_secs(20)))
//!     .retry(RetryOnRateLimit::new().max_retries(3))
//!     .token_cache(TokenCacheLayer::new(token).allow_origin("https://api.clerk.example".parse()?));
//!
//! let client = stack.service(client);
//! let request = Request::get("https://api.clerk.example/v1/users").body(Full::default())?;
//! assert_eq!(client.oneshot(request).await?.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! # What another order would do
//!
//! Any order works; each does something else:
//!
//! | if | then |
//! |---|---|
//! | `FallbackLayer` is inside the call's `TimeoutLayer` | a call that times out gets no fallback response, and making one uses up the call's time |
//! | `FallbackLayer` is inside `RetryOnRateLimit` | the first failure gets the fallback response, and nothing is ever retried |
//! | `RetryOnRateLimit` is outside the call's `TimeoutLayer` | each attempt has that limit, and nothing bounds the call |
//! | there is no `TimeoutLayer` inside `RetryOnRateLimit` | one attempt that hangs uses up the time of the whole call |
//! | `TokenCacheLayer` is outside `RetryOnRateLimit` | a retry after a long wait carries the token of the first attempt, which may have expired |
//! | `ThrottleLayer` is outside `RetryOnRateLimit` | it sees the last response only, and retries bypass the queue |
//! | `ThrottleLayer` is inside `TokenCacheLayer` | the token is attached before the wait in the queue and may expire during it |
//! | `ThrottleLayer` is inside the attempt's `TimeoutLayer` | the wait for a permit uses up the attempt's time |
//! | `ResponseCacheLayer` is inside `TokenCacheLayer` | each new token is another credential, for which nothing is stored yet |
//! | `ErrorClassifyLayer` is outside `RetryOnRateLimit` | it sees the last response only: a 429 that was retried with success is in neither its status nor its log |
//! | `ErrorClassifyLayer` is inside `TokenCacheLayer` | each 401 to an expired token is a sign-out, even where a fresh token resolves it; a failed token fetch is not seen |
//! | `ErrorClassifyLayer::error_for_status` is inside `TokenCacheLayer` | a 401 reaches the token layer as an error and not as a response, so that a revoked token is not replaced |
//! | `CircuitBreakerLayer` is outside `RetryOnRateLimit` | it counts calls and not attempts: with an upstream that hangs, every caller waits for all of its attempts, where the first would have been enough for all |
//! | `CircuitBreakerLayer` is inside `ThrottleLayer` | requests wait for their permit before they are rejected |
//! | `CircuitBreakerLayer` is inside the attempt's `TimeoutLayer` | it does not see the error of the timeout: a future that is dropped once the deadline is over counts as a `Timeout` |
//! | `AttemptSpanLayer` is inside the attempt's `TimeoutLayer` | the span of an attempt that timed out says `cancelled` and not `timeout` |
//! | `AttemptSpanLayer` is outside `RetryOnRateLimit` | one span covers the whole call and its waits, with the status of the last response |
//! | tower-http's `FollowRedirect` is inside `TokenCacheLayer` | the token goes along with every redirect unless its policy removes it; put it around the stack |
//! | tower's `ConcurrencyLimit` is outside `RetryOnRateLimit` | a call that waits for a reset holds a permit |
//! | tower's `Buffer` is between two layers | the ambient [`Deadline`](crate::extensions::Deadline) does not reach the inner one |
//!
//! # In a struct, a task and a handler
//!
//! Whichever layers were chosen, the service is a [`StackService<S, B>`](StackService) around a client `S`, for requests with a
//! body `B`. It is `Sync` where the client is, and so may be in the state of an axum app.
//!
//! A `Stack` is no [`Layer`](tower::Layer): give it the client by [`service`](Stack::service), and that service to a
//! [`ServiceBuilder`](tower::ServiceBuilder) for the layers around it.
//!
//! `client.oneshot(request)` and `client.ready().await?.call(request)` compile in a `tokio::spawn` and in an axum handler, around
//! every client.
//!
//! Around a client whose error is a [`BoxError`] (a boxed one, a `service_fn`) two other shapes do not compile inside an `async`
//! block: a layer of this crate or of tower without a stack, and a [`DetachLayer`](crate::DetachLayer) around the stack. Around
//! hyper-util's client and reqwest's they do. The compiler says one of
//!
//! ```text
//! error: implementation of `From` is not general enough
//! error: higher-ranked lifetime error
//! ```
//!
//! This is a [limit of the compiler](https://github.com/rust-lang/rust/issues/64552). Box the outermost service before the block, by
//! [`ServiceExt::boxed_clone`](tower::ServiceExt::boxed_clone) or [`BoxCloneSyncService::new`](tower::util::BoxCloneSyncService).
//!
//! # Several tenants
//!
//! A request carries its tenant's token if it has a [`TokenScope`](crate::token_cache::TokenScope). Tokens, their cooldowns and their
//! rejections are then separate. Two things are not:
//!
//! * **The quota**: one tenant's 429 holds its route for all tenants, and the whole origin once another route shows the same limit,
//!   unless [`ThrottleLayer::key`] says whose limit a request counts against.
//! * **The session**: one tenant's 401 makes it `Unauthenticated` and runs the handler, another's success makes it `Active`. If that
//!   matters, build a stack for each tenant, each with an [`ErrorClassifyLayer`] of its own. Clones of a `TokenCacheLayer` and of a
//!   `ThrottleLayer` share their state.
//!
//! ```
//! # use std::convert::Infallible;
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{ServiceExt, service_fn};
//! use tower_heed::{
//!     BoxError, Stack, ThrottleLayer, TokenCacheLayer,
//!     token_cache::{Token, TokenKey, TokenRequest, TokenScope},
//! };
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! // Stands for an API that limits the tenant `a` alone.
//! let http = service_fn(async |request: Request<Full<Bytes>>| {
//!     let response = match request.headers()["authorization"] == "Bearer token-of-a" {
//!         true => Response::builder().status(429).header("retry-after", 60),
//!         false => Response::builder(),
//!     };
//!     Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
//! });
//! let source = service_fn(|request: TokenRequest| async move {
//!     let tenant = request.key().organization().ok_or("the request names no tenant")?;
//!     Ok::<_, BoxError>(Token::bearer(format!("token-of-{tenant}"))?)
//! });
//! let token = TokenCacheLayer::new(source).allow_origin("https://api.example".parse()?);
//! let throttle = ThrottleLayer::new()
//!     .key(|head| head.extensions.get::<TokenScope>()?.key().organization().map(Into::into));
//! let client = Stack::new().token_cache(token).throttle(throttle).service(http);
//!
//! let get = |tenant: &str| {
//!     let scope = TokenScope::new(TokenKey::new().with_organization(tenant));
//!     Request::get("https://api.example/users").extension(scope).body(Full::default())
//! };
//! assert_eq!(client.clone().oneshot(get("a")?).await?.status(), 429);
//! assert_eq!(client.clone().oneshot(get("b")?).await?.status(), 200); // at once
//! # Ok(())
//! # }
//! ```
//!
//! # Defaults
//!
//! [`Stack::CALL_TIMEOUT`], [`Stack::ATTEMPT_TIMEOUT`], [`RetryOnRateLimit::new`], [`ThrottleLayer::new`],
//! [`ErrorClassifyLayer::new`], no token, no fallback, no
//! circuit breaker, no spans.

mod body;
#[cfg(feature = "response-cache")]
mod cache;
mod client;
mod endpoint;
mod future;
mod nest;
mod service;
mod settings;

use std::{sync::Arc, time::Duration};

use http_body::Body as HttpBody;

#[cfg(feature = "response-cache")]
use crate::response_cache::ResponseCacheLayer;
use crate::{
    BoxError, attempt_span::AttemptSpanLayer, body::ReplayableBody,
    circuit_breaker::CircuitBreakerLayer, classify::ErrorClassifyLayer, clock::Clock,
    endpoint::EndpointPattern, fallback::FallbackLayer, retry::RetryOnRateLimit,
    throttle::ThrottleLayer, timeout::TimeoutLayer, token_cache::TokenCacheLayer,
};

pub use self::{
    body::Body, client::HttpClient, endpoint::EndpointConfig, future::ResponseFuture,
    service::StackService,
};

/// The recommended stack of layers. The [module page](self) draws it.
///
/// It is no [`Layer`](tower_layer::Layer): [`service`](Self::service) puts it around a client. Another layer goes around the client
/// inside, or around the service outside:
///
/// ```
/// use std::convert::Infallible;
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::{ServiceBuilder, service_fn};
/// use tower_heed::Stack;
///
/// # let http = service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
/// let http = ServiceBuilder::new().concurrency_limit(8).service(http); // for each attempt
/// let client = ServiceBuilder::new().concurrency_limit(64).service(Stack::new().service(http)); // for each call
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Stack {
    name: Option<Arc<str>>,
    clock: Option<Clock>,
    fallback: Option<FallbackLayer>,
    call_timeout: TimeoutLayer,
    #[cfg(feature = "response-cache")]
    cache: Option<ResponseCacheLayer>,
    retry: RetryOnRateLimit,
    breaker: Option<CircuitBreakerLayer>,
    throttle: ThrottleLayer,
    classify: ErrorClassifyLayer,
    token: Option<TokenCacheLayer>,
    attempt_span: Option<AttemptSpanLayer>,
    attempt_timeout: TimeoutLayer,
    endpoints: Vec<(EndpointPattern, EndpointConfig)>,
}

// === impl Stack ===

impl Stack {
    /// Thirty seconds for a call: longer than a person waits for a login. No longer wait is begun, whatever `max_wait` says.
    pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);

    /// Ten seconds for one attempt, its response body included, so that a call survives two attempts that hang. Give slow
    /// endpoints and long downloads their own limits: see [`EndpointConfig::timeout`].
    pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

    /// The stack with its defaults, and without a token.
    pub fn new() -> Self {
        Self {
            name: None,
            clock: None,
            fallback: None,
            call_timeout: TimeoutLayer::new(Self::CALL_TIMEOUT),
            #[cfg(feature = "response-cache")]
            cache: None,
            retry: RetryOnRateLimit::new(),
            breaker: None,
            throttle: ThrottleLayer::new(),
            token: None,
            attempt_span: None,
            classify: ErrorClassifyLayer::new(),
            attempt_timeout: TimeoutLayer::new(Self::ATTEMPT_TIMEOUT),
            endpoints: Vec::new(),
        }
    }

    /// Names the stack, so that two stacks in one program can be told apart. By default there is no name.
    ///
    /// The name is the field `stack` in the events of its layers, the label `stack` of their metrics, and the attribute
    /// `tower_heed.stack` of their spans. It replaces the names that the layers themselves have, given before or after this.
    ///
    /// A handle taken from a layer logs the name that the layer had then: if it matters in the events `token invalidated`, `token
    /// refresh forced` and `responses invalidated`, give the layer the name first, by its own `name`. The two `TimeoutLayer`s log and
    /// count nothing, and have no name.
    ///
    /// ```
    /// use tower_heed::Stack;
    ///
    /// let auth0 = Stack::new().name("auth0");
    /// let clerk = Stack::new().name("clerk");
    /// # drop((auth0, clerk));
    /// ```
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Decides what the caller gets when everything inside has failed: a fallback response, or an error that says so.
    pub fn fallback(mut self, layer: FallbackLayer) -> Self {
        self.fallback = Some(layer);
        self
    }

    /// Bounds the whole call, from its start to the end of the response body.
    pub fn call_timeout(mut self, layer: TimeoutLayer) -> Self {
        self.call_timeout = layer;
        self
    }

    /// Stores the responses of the endpoints that the layer names, and serves them without a call to the server.
    #[cfg(feature = "response-cache")]
    #[cfg_attr(docsrs, doc(cfg(feature = "response-cache")))]
    pub fn response_cache(mut self, layer: ResponseCacheLayer) -> Self {
        self.cache = Some(layer);
        self
    }

    /// Decides which requests are sent again, and when.
    pub fn retry(mut self, layer: RetryOnRateLimit) -> Self {
        self.retry = layer;
        self
    }

    /// Fails at once while the upstream is down, with [`CircuitOpen`](crate::ErrorKind::CircuitOpen): neither retried nor queued.
    pub fn circuit_breaker(mut self, layer: CircuitBreakerLayer) -> Self {
        self.breaker = Some(layer);
        self
    }

    /// Queues each attempt until the server will accept it.
    pub fn throttle(mut self, layer: ThrottleLayer) -> Self {
        self.throttle = layer;
        self
    }

    /// Attaches a token to each attempt.
    ///
    /// After a rejected token the retry layer sends the request again, because it has a copy anyway: see
    /// [`TokenCacheLayer::leave_replay_to_retry`].
    pub fn token_cache(mut self, layer: TokenCacheLayer) -> Self {
        self.token = Some(layer.leave_replay_to_retry());
        self
    }

    /// Makes a span for each attempt: its timeout is inside the span, and every wait is outside.
    pub fn attempt_span(mut self, layer: AttemptSpanLayer) -> Self {
        self.attempt_span = Some(layer);
        self
    }

    /// Classifies each response, and keeps the session's status.
    pub fn classify(mut self, layer: ErrorClassifyLayer) -> Self {
        self.classify = layer;
        self
    }

    /// Bounds each attempt.
    pub fn attempt_timeout(mut self, layer: TimeoutLayer) -> Self {
        self.attempt_timeout = layer;
        self
    }

    /// Sets the clock of all layers, for tests: dates in headers and the ends of tokens are measured against its wall time. Handles
    /// that were taken from a layer before keep the layer's.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sets what all layers do with the requests that match `pattern`.
    ///
    /// `configure` starts from the settings that each layer has for these requests [so far](EndpointPattern#settings-so-far), in
    /// whichever order layers and endpoints are given; wider patterns come before narrower ones. A layer whose settings it does not
    /// change treats these requests as before. The pattern names the endpoint in the events, metrics and spans of all
    /// layers; in those of the response cache only if it changes that layer's settings.
    /// Settings for a layer that the stack does not have are ignored, and [`service`](Self::service) logs one warning of them.
    pub fn endpoint<F>(mut self, pattern: EndpointPattern, configure: F) -> Self
    where
        F: FnOnce(EndpointConfig) -> EndpointConfig,
    {
        self.endpoints.push((pattern, configure(EndpointConfig::default())));
        self
    }

    /// Puts the layers around `client`.
    ///
    /// The request body must be one that can be sent again: see [`ReplayableBody`]. For any other the compiler names the layer that
    /// makes it so:
    ///
    /// ```compile_fail,E0277
    /// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
    /// use tower_heed::Stack;
    ///
    /// let http = Client::builder(TokioExecutor::new()).build_http::<axum::body::Body>();
    /// let client = Stack::new().service(http); // `axum::body::Body` can be sent only once, and this sends it again
    /// ```
    ///
    /// ```
    /// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
    /// use tower::ServiceBuilder;
    /// use tower_heed::{Stack, body::{ReplayBody, ReplayBodyLayer}};
    ///
    /// let http = Client::builder(TokioExecutor::new()).build_http::<ReplayBody<axum::body::Body>>();
    /// let client = ServiceBuilder::new().layer(ReplayBodyLayer::default()).service(Stack::new().service(http));
    /// ```
    pub fn service<S, B>(&self, client: S) -> StackService<S, B>
    where
        S: HttpClient<B> + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        S::ResponseBody: Send + 'static,
        <S::ResponseBody as HttpBody>::Error: Into<BoxError>,
        B: ReplayableBody + HttpBody + Send + 'static,
    {
        self.warn_of_ignored_settings();
        StackService::new(&self.with_endpoints(), client)
    }
}

impl Default for Stack {
    fn default() -> Self {
        Self::new()
    }
}
