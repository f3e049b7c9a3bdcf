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
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
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
//! let client = ServiceBuilder::new().layer(stack).service(client);
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
//! | `AttemptSpanLayer` is inside the send's `TimeoutLayer` | a send that ran out of time is `cancelled` in its span and not a `timeout` |
//! | `AttemptSpanLayer` is outside `RetryOnRateLimit` | one span for the whole call, with the status of the last answer and all waits in it |
//! | tower-http's `FollowRedirect` is inside `TokenCacheLayer` | the token goes along with every redirect unless its policy takes it away; put it around the stack |
//! | tower's `ConcurrencyLimit` is outside `RetryOnRateLimit` | a call that waits for a reset holds a permit |
//! | tower's `Buffer` is between two layers | the ambient [`Deadline`](crate::extensions::Deadline) does not reach the inner one |
//!
//! # In a task of its own
//!
//! Where the stack is around a service whose error is a `BoxError`, the compiler may refuse `client.oneshot(request)` inside
//! `tokio::spawn` or an axum handler: *implementation of `From` is not general enough*. It is a
//! [limit of the compiler](https://github.com/rust-lang/rust/issues/64552) that tower's own layers meet as well.
//! `client.ready().await?.call(request).await` and a client that was boxed by
//! [`ServiceExt::boxed_clone`](tower::ServiceExt::boxed_clone) both pass. The state of an axum app has to be `Sync` as well:
//! the example `axum_upstream` has its type, a [`BoxCloneSyncService`](tower::util::BoxCloneSyncService), written out.
//!
//! # Defaults
//!
//! [`Stack::CALL_TIMEOUT`], [`Stack::SEND_TIMEOUT`], [`RetryOnRateLimit::new`], [`ThrottleLayer::new`],
//! [`ErrorClassifyLayer::new`], no token, no fallback, no spans.

use std::time::Duration;

use tower_layer::{Identity, Layer};

#[cfg(feature = "response-cache")]
use crate::response_cache::ResponseCacheLayer;
use crate::{
    attempt_span::AttemptSpanLayer,
    classify::{ErrorClassify, ErrorClassifyLayer},
    fallback::FallbackLayer,
    retry::{RetryOnRateLimit, RetryOnRateLimitService},
    throttle::{Throttle, ThrottleLayer},
    timeout::{Timeout, TimeoutLayer},
    token_cache::TokenCacheLayer,
};

/// The recommended stack of layers, itself a layer. The [module page](self) draws it.
#[derive(Clone, Debug)]
#[must_use]
pub struct Stack<Token = Identity, Cache = Identity, Fallback = Identity, AttemptSpan = Identity> {
    fallback: Fallback,
    call_timeout: TimeoutLayer,
    cache: Cache,
    retry: RetryOnRateLimit,
    throttle: ThrottleLayer,
    classify: ErrorClassifyLayer,
    token: Token,
    attempt_span: AttemptSpan,
    send_timeout: TimeoutLayer,
}

// === impl Stack ===

impl Stack {
    /// Thirty seconds for a call: longer than a person waits for a login.
    pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);

    /// Ten seconds for one send, its response body included, so that a call outlives two that hang. Give endpoints with
    /// long downloads a limit of their own.
    pub const SEND_TIMEOUT: Duration = Duration::from_secs(10);

    /// The stack with its defaults, and without a token.
    pub fn new() -> Self {
        Self {
            fallback: Identity::new(),
            call_timeout: TimeoutLayer::new(Self::CALL_TIMEOUT),
            cache: Identity::new(),
            retry: RetryOnRateLimit::new(),
            throttle: ThrottleLayer::new(),
            token: Identity::new(),
            attempt_span: Identity::new(),
            classify: ErrorClassifyLayer::new(),
            send_timeout: TimeoutLayer::new(Self::SEND_TIMEOUT),
        }
    }
}

impl<Token, Cache, Fallback, AttemptSpan> Stack<Token, Cache, Fallback, AttemptSpan> {
    /// Says what the caller gets when all else failed: an answer in the upstream's place, or an error that says so.
    pub fn fallback(self, layer: FallbackLayer) -> Stack<Token, Cache, FallbackLayer, AttemptSpan> {
        Stack {
            fallback: layer,
            call_timeout: self.call_timeout,
            cache: self.cache,
            retry: self.retry,
            throttle: self.throttle,
            token: self.token,
            attempt_span: self.attempt_span,
            classify: self.classify,
            send_timeout: self.send_timeout,
        }
    }

    /// Bounds the whole call, from its start to the end of the response body.
    pub fn call_timeout(mut self, layer: TimeoutLayer) -> Self {
        self.call_timeout = layer;
        self
    }

    /// Keeps the responses of the endpoints that it names: no call at all where one is at hand.
    #[cfg(feature = "response-cache")]
    #[cfg_attr(docsrs, doc(cfg(feature = "response-cache")))]
    pub fn response_cache(
        self,
        layer: ResponseCacheLayer,
    ) -> Stack<Token, ResponseCacheLayer, Fallback, AttemptSpan> {
        Stack {
            fallback: self.fallback,
            call_timeout: self.call_timeout,
            cache: layer,
            retry: self.retry,
            throttle: self.throttle,
            token: self.token,
            attempt_span: self.attempt_span,
            classify: self.classify,
            send_timeout: self.send_timeout,
        }
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
    pub fn token_cache(
        self,
        layer: TokenCacheLayer,
    ) -> Stack<TokenCacheLayer, Cache, Fallback, AttemptSpan> {
        Stack {
            fallback: self.fallback,
            call_timeout: self.call_timeout,
            cache: self.cache,
            retry: self.retry,
            throttle: self.throttle,
            token: layer.leave_replay_to_retry(),
            attempt_span: self.attempt_span,
            classify: self.classify,
            send_timeout: self.send_timeout,
        }
    }

    /// Makes a span for each send, around its time limit and inside of all that waits.
    pub fn attempt_span(
        self,
        layer: AttemptSpanLayer,
    ) -> Stack<Token, Cache, Fallback, AttemptSpanLayer> {
        Stack {
            fallback: self.fallback,
            call_timeout: self.call_timeout,
            cache: self.cache,
            retry: self.retry,
            throttle: self.throttle,
            token: self.token,
            attempt_span: layer,
            classify: self.classify,
            send_timeout: self.send_timeout,
        }
    }

    /// Says what each answer means, and keeps the session's status.
    pub fn classify(mut self, layer: ErrorClassifyLayer) -> Self {
        self.classify = layer;
        self
    }

    /// Bounds each send.
    pub fn send_timeout(mut self, layer: TimeoutLayer) -> Self {
        self.send_timeout = layer;
        self
    }
}

impl Default for Stack {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, Token, Cache, Fallback, AttemptSpan> Layer<S> for Stack<Token, Cache, Fallback, AttemptSpan>
where
    AttemptSpan: Layer<Timeout<S>>,
    Token: Layer<AttemptSpan::Service>,
    Cache: Layer<Sends<Token::Service>>,
    Fallback: Layer<Timeout<Cache::Service>>,
{
    type Service = Fallback::Service;

    fn layer(&self, inner: S) -> Self::Service {
        let inner = self.send_timeout.layer(inner);
        let inner = self.attempt_span.layer(inner);
        let inner = self.token.layer(inner);
        let inner = self.classify.layer(inner);
        let inner = self.throttle.layer(inner);
        let inner = self.retry.layer(inner);
        let inner = self.cache.layer(inner);
        let inner = self.call_timeout.layer(inner);
        self.fallback.layer(inner)
    }
}

/// What makes several sends of one call, around what each send goes through.
type Sends<S> = RetryOnRateLimitService<Throttle<ErrorClassify<S>>>;
