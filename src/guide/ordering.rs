//! Which layer goes outside of which.
//!
//! [`Stack`](crate::Stack) is the recommended order, and [its page](crate::stack) says what goes wrong in another one. With all
//! layers, the optional ones included:
//!
//! ```text
//!                        requests                          is outside of the next one because
//!                           │
//!   ┌───────────────────────▼──────────────────────┐
//!   │  DetachLayer                                 │  everything inside happens after the caller has its 202
//!   │ ┌────────────────────────────────────────────┴┐
//!   │ │  FallbackLayer                              │  it also replaces the call's timeout
//!   │ │ ┌───────────────────────────────────────────┴┐
//!   │ │ │  TimeoutLayer of the call                  │  it also bounds the wait for a shared fetch
//!   │ │ │ ┌──────────────────────────────────────────┴┐
//!   │ │ │ │  ResponseCacheLayer                       │  a shared fetch is retried once for all its waiters
//!   │ │ │ │ ┌─────────────────────────────────────────┴┐
//!   │ │ │ │ │  RetryOnRateLimit                        │  each attempt counts for the circuit, none is made while it is open
//!   │ │ │ │ │ ┌────────────────────────────────────────┴┐
//!   │ │ │ │ │ │  CircuitBreakerLayer                    │  nobody waits for a permit to a server that is down
//!   │ │ │ │ │ │ ┌───────────────────────────────────────┴┐
//!   │ │ │ │ │ │ │  ThrottleLayer                         │  it learns from each response and its class
//!   │ │ │ │ │ │ │ ┌──────────────────────────────────────┴┐
//!   │ │ │ │ │ │ │ │  ErrorClassifyLayer                   │  a 401 that a fresh token resolves is no sign-out
//!   │ │ │ │ │ │ │ │ ┌─────────────────────────────────────┴┐
//!   │ │ │ │ │ │ │ │ │  TokenCacheLayer                     │  waiting for a token is not a slow attempt
//!   │ │ │ │ │ │ │ │ │ ┌────────────────────────────────────┴┐
//!   │ │ │ │ │ │ │ │ │ │  AttemptSpanLayer                   │  an attempt that timed out is a timeout in its span
//!   │ │ │ │ │ │ │ │ │ │ ┌───────────────────────────────────┴┐
//!   │ │ │ │ │ │ │ │ │ │ │  TimeoutLayer of each attempt      │
//!   │ │ │ │ │ │ │ │ │ │ │ ┌──────────────────────────────────┴┐
//!   │ │ │ │ │ │ │ │ │ │ │ │  the client                       │
//!   └─┴─┴─┴─┴─┴─┴─┴─┴─┴─┴─┴───────────────────────────────────┘
//! ```
//!
//! Four pieces are part of no `Stack`, and go around it or around the client that it is given:
//!
//! | piece | where | because |
//! |---|---|---|
//! | [`ReplayBodyLayer`](crate::body::ReplayBodyLayer) | around every layer that repeats requests | streaming bodies are recorded once |
//! | `oauth::DpopLayer` | inside `TokenCacheLayer` | it proves the token that is attached, anew for each attempt |
//! | [`ClassifyBodyLayer`](crate::classify::ClassifyBodyLayer) | around the client, inside all other layers | it reads the body where only that tells the failure |
//! | [`ConnectTimeout`](crate::timeout::ConnectTimeout) | around the client's connector | a connection that hangs is known not to have sent anything |
//!
//! With [`ServiceBuilder`](tower::ServiceBuilder) the first `.layer(..)` is the outermost. Layers leave facts for each other on
//! requests and responses. A layer that finds none derives them itself, so any layer can be left out.
//!
//! # By hand
//!
//! ```
//! use std::time::Duration;
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_heed::{CircuitBreakerLayer, DetachLayer, ErrorClassifyLayer, FallbackLayer, RetryOnRateLimit, ThrottleLayer, TimeoutLayer};
//! # use tower::service_fn;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_heed::BoxError> {
//! # let http = service_fn(async |_: Request<Full<Bytes>>| {
//! #     Ok::<_, std::convert::Infallible>(http::Response::new(Full::<Bytes>::default()))
//! # });
//! let client = ServiceBuilder::new()
//!     .layer(DetachLayer::new().endpoint("POST /login-events".parse()?, |config| config))
//!     .layer(FallbackLayer::fail_closed())
//!     .layer(TimeoutLayer::new(Duration::from_secs(30)))
//!     .layer(RetryOnRateLimit::new())
//!     .layer(CircuitBreakerLayer::new())
//!     .layer(ThrottleLayer::new())
//!     .layer(ErrorClassifyLayer::new())
//!     .layer(TimeoutLayer::new(Duration::from_secs(10)))
//!     .service(http);
//!
//! let event = Request::post("https://id.example/login-events").body(Full::default())?;
//! assert_eq!(client.oneshot(event).await?.status(), 202);
//! # Ok(())
//! # }
//! ```
//!
//! A [`TokenCacheLayer`](crate::TokenCacheLayer) inside `RetryOnRateLimit` should
//! [leave replays to it](crate::TokenCacheLayer::leave_replay_to_retry), since the retry layer keeps a copy of the request
//! anyway. `Stack` sets this.
//!
//! # Layers of other crates
//!
//! | layer | where | because |
//! |---|---|---|
//! | tower-http's `TraceLayer` | inside `RetryOnRateLimit` to trace attempts, outside everything to trace calls | it sees what passes through it |
//! | tower-http's `FollowRedirect` | around the stack | the token layer decides for each hop whether the token may go there |
//! | tower-http's `Decompression` | anywhere; inside `ErrorClassifyLayer` with `error_for_status` | the layers read header fields only, but an error should hold readable text |
//! | tower's `ConcurrencyLimit` | inside `ThrottleLayer` | a queued request then holds no permit of it |
//! | tower's `Buffer` | around the stack | between two layers it ends the reach of the ambient deadline |
//! | another circuit breaker | inside `RetryOnRateLimit` | it counts attempts; a 429 should not count as a failure |
