//! The recommended order of the layers, as one builder.
//!
//! ```text
//!                       requests                              why it stands here
//!                          │
//!           ┌──────────────▼─────────────┐
//!           │  FallbackLayer             │  says what the caller gets when all else failed
//!           │ ┌──────────────────────────┴┐
//!           │ │  TimeoutLayer             │  bounds the whole call: waits, retries, body
//!           │ │ ┌─────────────────────────┴┐
//!           │ │ │  RetryOnRateLimit        │  makes several sends of one call
//!           │ │ │ ┌────────────────────────┴┐
//!           │ │ │ │  ThrottleLayer          │  holds each send back until the server will take it
//!           │ │ │ │ ┌───────────────────────┴┐
//!           │ │ │ │ │  ErrorClassifyLayer    │  gives the answer of each send its meaning
//!           │ │ │ │ │ ┌──────────────────────┴┐
//!           │ │ │ │ │ │  TokenCacheLayer      │  gives each send a token that is good then
//!           │ │ │ │ │ │ ┌─────────────────────┴┐
//!           │ │ │ │ │ │ │  TimeoutLayer        │  bounds each send
//!           │ │ │ │ │ │ │ ┌────────────────────┴┐
//!           │ │ │ │ │ │ │ │  the client         │  hyper-util, reqwest, a test's service
//!           └─┴─┴─┴─┴─┴─┴─┴─────────────────────┘
//! ```
//!
//! The token layer is left out until a [`token_cache`](Stack::token_cache) is given, and the fallback layer until there is a
//! [`fallback`](Stack::fallback): whether to fail open or closed is nothing that a default could say. A [`DetachLayer`](crate::DetachLayer)
//! goes around the whole stack. With the feature `response-cache` there can be a `ResponseCacheLayer` as well, by
//! `Stack::response_cache`: between the call's `TimeoutLayer` and `RetryOnRateLimit`, so that what is at hand needs neither a
//! turn nor a token, and a request that many share is retried once for all. A [`AttemptSpanLayer`] goes between the token layer and
//! the send's `TimeoutLayer`, by [`attempt_span`](Stack::attempt_span).
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
//! | `FallbackLayer` is inside the call's `TimeoutLayer` | a call that ran out of time is not answered, and an answer that is waited for uses up its time |
//! | `FallbackLayer` is inside `RetryOnRateLimit` | the first failure is answered, and nothing is ever sent again |
//! | `RetryOnRateLimit` is outside the call's `TimeoutLayer` | each send has that limit, and nothing bounds the call |
//! | there is no `TimeoutLayer` inside `RetryOnRateLimit` | one send that hangs uses up the time of the whole call |
//! | `TokenCacheLayer` is outside `RetryOnRateLimit` | a send after a long wait carries the token of the first one, which may have ended |
//! | `ThrottleLayer` is outside `RetryOnRateLimit` | it hears of the last answer only, and a retry goes past the line of those who wait |
//! | `ThrottleLayer` is inside `TokenCacheLayer` | a token that was good at the beginning of a long wait may have ended at its end |
//! | `ThrottleLayer` is inside the send's `TimeoutLayer` | waiting for a turn uses up the time of the send |
//! | `ResponseCacheLayer` is inside `TokenCacheLayer` | each new token is another credential, of which nothing is kept yet |
//! | `ErrorClassifyLayer` is outside `RetryOnRateLimit` | it sees the last answer only: a refusal that a retry overcame leaves no trace in its status and log |
//! | `ErrorClassifyLayer` is inside `TokenCacheLayer` | each 401 to a token that has ended is a sign-out to it, also where a fresh token mends it at once; a token that cannot be had is not seen |
//! | `ErrorClassifyLayer::error_for_status` is inside `TokenCacheLayer` | a 401 reaches the token layer as an error and not as an answer, so that a revoked token is not replaced |
//! | `AttemptSpanLayer` is inside the attempt's `TimeoutLayer` | a send that ran out of time is `cancelled` in its span and not a `timeout` |
//! | `AttemptSpanLayer` is outside `RetryOnRateLimit` | one span for the whole call, with the status of the last answer and all waits in it |
//! | tower-http's `FollowRedirect` is inside `TokenCacheLayer` | the token goes along with every redirect unless its policy takes it away; put it around the stack |
//! | tower's `ConcurrencyLimit` is outside `RetryOnRateLimit` | a call that waits for a reset holds a permit |
//! | tower's `Buffer` is between two layers | the ambient [`Deadline`](crate::extensions::Deadline) does not reach the inner one |
//!
//! # In a struct, a task and a handler
//!
//! The service is a [`StackService<S, B>`](StackService) around a client `S` for requests with a body of `B`, whichever layers
//! were chosen. It is `Sync` where the client is, and so may be in the state of an axum app.
//!
//! Each call may be made in a `tokio::spawn` or an axum handler, by `client.oneshot(request)` or
//! `client.ready().await?.call(request)`, around every client.
//!
//! Where a layer of this crate or of tower is *alone* around a client whose error is a [`BoxError`], or
//! a layer with a bound of `'static` is around the stack (a [`DetachLayer`](crate::DetachLayer)), the compiler refuses the same inside
//! of an `async` block, with one of
//!
//! ```text
//! error: implementation of `From` is not general enough
//! error: higher-ranked lifetime error
//! ```
//!
//! It is a [limit of the compiler](https://github.com/rust-lang/rust/issues/64552). A client that is boxed before the block, by
//! [`ServiceExt::boxed_clone`](tower::ServiceExt::boxed_clone) or [`BoxCloneSyncService::new`](tower::util::BoxCloneSyncService),
//! passes.
//!
//! # Defaults
//!
//! [`Stack::CALL_TIMEOUT`], [`Stack::ATTEMPT_TIMEOUT`], [`RetryOnRateLimit::new`], [`ThrottleLayer::new`],
//! [`ErrorClassifyLayer::new`], no token, no fallback, no spans.

mod body;
#[cfg(feature = "response-cache")]
mod cache;
mod client;
mod endpoint;
mod future;
mod nest;
mod service;

use std::time::Duration;

use http_body::Body as HttpBody;

#[cfg(feature = "response-cache")]
use crate::response_cache::ResponseCacheLayer;
use crate::{
    BoxError, attempt_span::AttemptSpanLayer, body::ReplayableBody, classify::ErrorClassifyLayer,
    endpoint::EndpointPattern, fallback::FallbackLayer, retry::RetryOnRateLimit,
    throttle::ThrottleLayer, timeout::TimeoutLayer, token_cache::TokenCacheLayer,
};

pub use self::{
    body::Body, client::HttpClient, endpoint::EndpointConfig, future::ResponseFuture,
    service::StackService,
};

/// The recommended stack of layers. The [module page](self) draws it.
#[derive(Clone, Debug)]
#[must_use]
pub struct Stack {
    fallback: Option<FallbackLayer>,
    call_timeout: TimeoutLayer,
    #[cfg(feature = "response-cache")]
    cache: Option<ResponseCacheLayer>,
    retry: RetryOnRateLimit,
    throttle: ThrottleLayer,
    classify: ErrorClassifyLayer,
    token: Option<TokenCacheLayer>,
    attempt_span: Option<AttemptSpanLayer>,
    attempt_timeout: TimeoutLayer,
    endpoints: Vec<(EndpointPattern, EndpointConfig)>,
}

// === impl Stack ===

impl Stack {
    /// Thirty seconds for a call: longer than a person waits for a login.
    pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);

    /// Ten seconds for one send, its response body included, so that a call outlives two that hang. Give endpoints with
    /// long downloads a limit of their own.
    pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

    /// The stack with its defaults, and without a token.
    pub fn new() -> Self {
        Self {
            fallback: None,
            call_timeout: TimeoutLayer::new(Self::CALL_TIMEOUT),
            #[cfg(feature = "response-cache")]
            cache: None,
            retry: RetryOnRateLimit::new(),
            throttle: ThrottleLayer::new(),
            token: None,
            attempt_span: None,
            classify: ErrorClassifyLayer::new(),
            attempt_timeout: TimeoutLayer::new(Self::ATTEMPT_TIMEOUT),
            endpoints: Vec::new(),
        }
    }

    /// Says what the caller gets when all else failed: an answer in the upstream's place, or an error that says so.
    pub fn fallback(mut self, layer: FallbackLayer) -> Self {
        self.fallback = Some(layer);
        self
    }

    /// Bounds the whole call, from its start to the end of the response body.
    pub fn call_timeout(mut self, layer: TimeoutLayer) -> Self {
        self.call_timeout = layer;
        self
    }

    /// Keeps the responses of the endpoints that it names: no call at all where one is at hand.
    #[cfg(feature = "response-cache")]
    #[cfg_attr(docsrs, doc(cfg(feature = "response-cache")))]
    pub fn response_cache(mut self, layer: ResponseCacheLayer) -> Self {
        self.cache = Some(layer);
        self
    }

    /// Decides what is sent again, and when.
    pub fn retry(mut self, layer: RetryOnRateLimit) -> Self {
        self.retry = layer;
        self
    }

    /// Holds each send back until the server will take it.
    pub fn throttle(mut self, layer: ThrottleLayer) -> Self {
        self.throttle = layer;
        self
    }

    /// Attaches a token to each send.
    ///
    /// The stack leaves the sending again after a rejected token to its retry layer, which has a copy of the request
    /// anyway: see [`TokenCacheLayer::leave_replay_to_retry`].
    pub fn token_cache(mut self, layer: TokenCacheLayer) -> Self {
        self.token = Some(layer.leave_replay_to_retry());
        self
    }

    /// Makes a span for each send, around its time limit and inside of all that waits.
    pub fn attempt_span(mut self, layer: AttemptSpanLayer) -> Self {
        self.attempt_span = Some(layer);
        self
    }

    /// Says what each answer means, and keeps the session's status.
    pub fn classify(mut self, layer: ErrorClassifyLayer) -> Self {
        self.classify = layer;
        self
    }

    /// Bounds each send.
    pub fn attempt_timeout(mut self, layer: TimeoutLayer) -> Self {
        self.attempt_timeout = layer;
        self
    }

    /// Sets what all layers do with the requests that match `pattern`.
    ///
    /// Each layer starts from its own settings, whether they were given before or are given after this. The pattern names the
    /// endpoint in the events, metrics and spans of all of them. Settings for a layer that the stack does not have are without
    /// effect.
    pub fn endpoint<F>(mut self, pattern: EndpointPattern, configure: F) -> Self
    where
        F: FnOnce(EndpointConfig) -> EndpointConfig,
    {
        self.endpoints.push((pattern, configure(EndpointConfig::default())));
        self
    }

    /// The stack whose layers know their endpoints.
    fn with_endpoints(&self) -> Self {
        let endpoints = &self.endpoints;
        endpoints
            .iter()
            .fold(self.clone(), |stack, (pattern, config)| stack.with_endpoint(pattern, config))
    }

    fn with_endpoint(self, pattern: &EndpointPattern, config: &EndpointConfig) -> Self {
        let at = || pattern.clone();
        Self {
            fallback: self
                .fallback
                .map(|layer| layer.endpoint(at(), |base| config.fallback.apply(base))),
            call_timeout: self.call_timeout.endpoint(at(), |base| config.call_timeout.apply(base)),
            #[cfg(feature = "response-cache")]
            cache: match self.cache {
                // An endpoint of the response cache is one whose responses are stored.
                Some(layer) if !config.response_cache.is_empty() => {
                    Some(layer.endpoint(at(), |base| config.response_cache.apply(base)))
                }
                cache => cache,
            },
            retry: self.retry.endpoint(at(), |base| config.retry.apply(base)),
            throttle: self.throttle.endpoint(at(), |base| config.throttle.apply(base)),
            classify: self.classify.endpoint(at(), |base| config.classify.apply(base)),
            token: self
                .token
                .map(|layer| layer.endpoint(at(), |base| config.token_cache.apply(base))),
            attempt_span: self
                .attempt_span
                .map(|layer| layer.endpoint(at(), |base| config.attempt_span.apply(base))),
            attempt_timeout: self
                .attempt_timeout
                .endpoint(at(), |base| config.attempt_timeout.apply(base)),
            endpoints: self.endpoints,
        }
    }

    /// Puts the layers around `client`.
    ///
    /// The request body has to be one that can be sent again: see [`ReplayableBody`]. For another the compiler names the layer that
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
        B: ReplayableBody + Send + 'static,
    {
        StackService::new(&self.with_endpoints(), client)
    }
}

impl Default for Stack {
    fn default() -> Self {
        Self::new()
    }
}
