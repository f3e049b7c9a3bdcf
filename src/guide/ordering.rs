//! The onion: which layer goes outside of which.
//!
//! A [`Stack`](crate::Stack) is the order that we recommend, and [its page](crate::stack) draws it and says what another order
//! would do. With all layers, those that it leaves out by default among them:
//!
//! ```text
//!                        requests                          is outside of the next one because
//!                           │
//!   ┌───────────────────────▼──────────────────────┐
//!   │  DetachLayer                                 │  what is inside is done after the caller has its 202
//!   │ ┌────────────────────────────────────────────┴┐
//!   │ │  FallbackLayer                              │  it answers the call's time-out too
//!   │ │ ┌───────────────────────────────────────────┴┐
//!   │ │ │  TimeoutLayer, of the call                 │  it bounds the waiting for another's flight
//!   │ │ │ ┌──────────────────────────────────────────┴┐
//!   │ │ │ │  ResponseCacheLayer                       │  one flight is retried, for all who want the same
//!   │ │ │ │ ┌─────────────────────────────────────────┴┐
//!   │ │ │ │ │  RetryOnRateLimit                        │  each send takes a turn of its own
//!   │ │ │ │ │ ┌────────────────────────────────────────┴┐
//!   │ │ │ │ │ │  ThrottleLayer                          │  it learns from each answer, with its meaning
//!   │ │ │ │ │ │ ┌───────────────────────────────────────┴┐
//!   │ │ │ │ │ │ │  ErrorClassifyLayer                    │  a 401 that a fresh token mends signs nobody out
//!   │ │ │ │ │ │ │ ┌──────────────────────────────────────┴┐
//!   │ │ │ │ │ │ │ │  TokenCacheLayer                      │  the wait for a token is not a slow send
//!   │ │ │ │ │ │ │ │ ┌─────────────────────────────────────┴┐
//!   │ │ │ │ │ │ │ │ │  SendSpanLayer                       │  a send that ran out of time is a time-out in its span
//!   │ │ │ │ │ │ │ │ │ ┌────────────────────────────────────┴┐
//!   │ │ │ │ │ │ │ │ │ │  TimeoutLayer, of each send         │
//!   │ │ │ │ │ │ │ │ │ │ ┌───────────────────────────────────┴┐
//!   │ │ │ │ │ │ │ │ │ │ │  the client                        │
//!   └─┴─┴─┴─┴─┴─┴─┴─┴─┴─┴────────────────────────────────────┘
//! ```
//!
//! With [`ServiceBuilder`](tower::ServiceBuilder) the first `.layer(..)` is the outermost. A layer leaves what it knows on requests
//! and answers for the others, and one that finds nothing works it out by itself, so any of them can be left out.
//!
//! # By hand
//!
//! ```
//! use std::time::Duration;
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_heed::{DetachLayer, ErrorClassifyLayer, FallbackLayer, RetryOnRateLimit, ThrottleLayer, TimeoutLayer};
//! # use tower::service_fn;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_heed::BoxError> {
//! # let http = service_fn(async |_: Request<Full<Bytes>>| {
//! #     Ok::<_, std::convert::Infallible>(http::Response::new(Full::<Bytes>::default()))
//! # });
//! let client = ServiceBuilder::new()
//!     .layer(DetachLayer::new().endpoint("POST /login-events", |config| config)?)
//!     .layer(FallbackLayer::fail_closed())
//!     .layer(TimeoutLayer::new(Duration::from_secs(30))?)
//!     .layer(RetryOnRateLimit::new())
//!     .layer(ThrottleLayer::new())
//!     .layer(ErrorClassifyLayer::new())
//!     .layer(TimeoutLayer::new(Duration::from_secs(10))?)
//!     .service(http);
//!
//! let event = Request::post("https://id.example/login-events").body(Full::default())?;
//! assert_eq!(client.oneshot(event).await?.status(), 202);
//! # Ok(())
//! # }
//! ```
//!
//! Where a [`TokenCacheLayer`](crate::TokenCacheLayer) is inside of a `RetryOnRateLimit`, as it should be, tell it to
//! [leave the sending again](crate::TokenCacheLayer::leave_replay_to_retry) to that one, which has a copy of the request anyway. A
//! `Stack` does so.
//!
//! # Layers of others
//!
//! | layer | where | because |
//! |---|---|---|
//! | tower-http's `TraceLayer` | inside of `RetryOnRateLimit` for each send, outside of everything for each call | it sees what passes it |
//! | tower-http's `FollowRedirect` | around the stack | each hop is asked whether the token may go there |
//! | tower-http's `Decompression` | outside of `ErrorClassifyLayer` or inside, as you like | headers alone are read; with `error_for_status` inside, so that the error has readable text |
//! | tower's `ConcurrencyLimit` | inside of `ThrottleLayer` | who waits for a turn holds no permit |
//! | tower's `Buffer` | around the stack | between two layers it ends the reach of the ambient deadline |
//! | a circuit breaker | inside of `RetryOnRateLimit` | it counts sends; let it not count a 429 as a failure |
//! | [`ReplayBodyLayer`](crate::body::ReplayBodyLayer) | around all that sends again | bodies that are streams are recorded once |
