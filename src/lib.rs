//! Rate-limit-aware retry, throttling and OAuth tokens for tower HTTP clients.
//!
//! A backend calls an identity API. It hits a limit and every caller retries at once; a 429 is treated as a sign-out; a token
//! is fetched for each call; a slow upstream blocks the login. Each layer solves one of these around any HTTP
//! [`Service`](tower_service::Service), alone, in any order, and configured for each endpoint:
//!
//! | layer | what it does |
//! |---|---|
//! | [`ErrorClassifyLayer`] | attaches the class of each failure, and keeps the session's status |
//! | [`ClassifyBodyLayer`](classify::ClassifyBodyLayer) | reads the body of a response where only that tells the failure |
//! | [`RetryOnRateLimit`] | waits as long as the server asks, then sends again |
//! | [`ThrottleLayer`] | queues requests until the server will accept them, at its limit and not beyond |
//! | [`TokenCacheLayer`] | fetches, caches, refreshes and attaches the bearer token |
//! | `ResponseCacheLayer` | stores chosen responses, and serves them while the server is down (feature `response-cache`) |
//! | [`TimeoutLayer`] | bounds a call from its start to the end of the body |
//! | [`FallbackLayer`] | responds in place of an upstream that is down, or fails closed |
//! | [`CircuitBreakerLayer`] | fails at once while the upstream is down, and probes |
//! | [`DetachLayer`] | responds 202 for named endpoints and sends in the background |
//! | [`ReplayBodyLayer`](body::ReplayBodyLayer) | records a streaming request body, so that it can be sent again |
//! | [`AttemptSpanLayer`] | makes a span for each attempt, by OpenTelemetry's conventions |
//! | [`Stack`] | the recommended [order](stack) |
//!
//! # Example
//!
//! ```
//! use std::convert::Infallible;
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{ServiceExt, service_fn};
//! use tower_heed::{Stack, TokenCacheLayer, extensions::Attempt, retry::RetryOutcome, token_cache::StaticToken};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), tower_heed::BoxError> {
//! // Stands for hyper-util's client: a server that rate limits the first attempt for two seconds.
//! let http = service_fn(|request: Request<Full<Bytes>>| async move {
//!     let response = match request.extensions().get::<Attempt>() {
//!         None => Response::builder().status(429).header("retry-after", "2"),
//!         Some(_) => Response::builder(),
//!     };
//!     Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
//! });
//!
//! let token = TokenCacheLayer::new(StaticToken::new("sk_test_7")?).allow_origin("https://api.clerk.example".parse()?);
//! let client = Stack::new().token_cache(token).service(http);
//!
//! let request = Request::get("https://api.clerk.example/v1/users").body(Full::default())?;
//! let response = client.clone().oneshot(request).await?; // built once, and cloned for each call
//! assert_eq!(response.status(), 200);
//! assert_eq!(response.extensions().get::<RetryOutcome>().unwrap().attempts(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! The [README](https://docs.rs/crate/tower-heed/latest) has a whole program, with its manifest, around a client with TLS.
//!
//! # Where things are
//!
//! Each layer has a module of its name, whose page lists its defaults and what it does about readiness, cancellation, cloning and
//! errors. [`headers`] reads what servers say about their limits, and is of use without any layer; [`extensions`] holds the
//! facts that travel with a request; [`error`] is the one error that all layers make.
//!
//! The [`guide`] is the manual: the [order](guide::ordering) of the layers, tower's [readiness](guide::readiness) contract,
//! the known [providers](guide::providers), the token [sources](guide::sources) by provider,
//! [what happens when](guide::failure_modes) something fails, how to [test](guide::testing) a stack, what it
//! [costs](guide::performance), and what [others](guide::comparison) do.
//!
//! # Features
//!
//! | feature | default | |
//! |---|---|---|
//! | `hyper` | yes | tells a connection that was never established from one that broke, for hyper's and hyper-util's errors |
//! | `client-credentials` | yes | `oauth`: token sources over any HTTP service: client credentials, refresh tokens, token exchange, JWT bearer |
//! | `axum` | | our errors as responses of an axum app |
//! | `reqwest` | | the layers around a reqwest client |
//! | `tower-http` | | our classes as the failures of tower-http's `TraceLayer` |
//! | `metrics` | | counts and measures what the layers do, by endpoint, for the `metrics` facade |
//! | `serde` | | snapshots and kinds are `Serialize`, for a status page |
//! | `response-cache` | | `ResponseCacheLayer`: stores the responses to chosen `GET`s |
//! | `http2` | | recognises an HTTP/2 stream that was refused unprocessed |
//! | `private-key-jwt` | | client authentication by a signature in place of a secret, GitHub Apps, Google's service accounts, DPoP |
//! | `shared` | | `store`: one token and one limit for all processes of a fleet, through Redis or Memcached |
//! | `test-util` | | a scripted service and a clock to set, for the tests of your own stack |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(feature = "__internals"),
    allow(unreachable_pub, reason = "`__internals` makes them reachable, for the crate's tests")
)]

#[macro_use]
mod macros;

pub mod attempt_span;
pub mod body;
pub mod circuit_breaker;
pub mod classify;
pub mod clock;
pub mod detach;
pub mod error;
pub mod extensions;
pub mod fallback;
pub mod guide;
pub mod headers;
pub mod integrations;
#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub mod metrics;
#[cfg(not(feature = "metrics"))]
mod metrics;
#[cfg(feature = "client-credentials")]
#[cfg_attr(docsrs, doc(cfg(feature = "client-credentials")))]
pub mod oauth;
#[cfg(feature = "response-cache")]
#[cfg_attr(docsrs, doc(cfg(feature = "response-cache")))]
pub mod response_cache;
pub mod retry;
pub mod stack;
#[cfg(feature = "shared")]
#[cfg_attr(docsrs, doc(cfg(feature = "shared")))]
pub mod store;
#[cfg(feature = "test-util")]
#[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
pub mod test_util;
pub mod throttle;
pub mod timeout;
pub mod token_cache;

mod cooldown;
mod endpoint;
mod jitter;
mod moment;
mod origin;
mod ready;
#[cfg(feature = "serde")]
mod serialize;
mod single_flight;

#[cfg(feature = "__internals")]
#[doc(hidden)]
#[path = "internals.rs"]
pub mod __internals;

pub use attempt_span::AttemptSpanLayer;
pub use circuit_breaker::CircuitBreakerLayer;
pub use classify::ErrorClassifyLayer;
pub use detach::DetachLayer;
pub use endpoint::EndpointPattern;
pub use error::{BoxError, Error, ErrorKind};
pub use fallback::FallbackLayer;
#[cfg(feature = "response-cache")]
#[cfg_attr(docsrs, doc(cfg(feature = "response-cache")))]
pub use response_cache::ResponseCacheLayer;
pub use retry::RetryOnRateLimit;
pub use stack::Stack;
pub use throttle::ThrottleLayer;
pub use timeout::TimeoutLayer;
pub use token_cache::TokenCacheLayer;

/// The README's examples compile.
#[cfg(all(doctest, feature = "client-credentials", feature = "reqwest"))]
#[doc = include_str!("../README.md")]
pub struct Readme;
