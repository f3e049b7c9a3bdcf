//! Tower layers for HTTP clients that **heed** what an API tells them: slow down, sign in again, give up, carry on.
//!
//! A backend calls an identity API. It hits a limit and every caller retries at once; a 429 is taken for a sign-out; a token
//! is fetched for each call, and a slow upstream holds the login. Each layer of this crate mends one of these around any
//! HTTP [`Service`](tower_service::Service), alone, in any order, and configured for each endpoint:
//!
//! | layer | what it does |
//! |---|---|
//! | [`ErrorClassifyLayer`] | says what each answer means, and keeps the session's status |
//! | [`RetryOnRateLimit`] | waits as long as the server said, then sends again |
//! | [`ThrottleLayer`] | holds requests back until the server will take them, at its limit and not beyond |
//! | [`TokenCacheLayer`] | obtains, caches, refreshes and attaches the bearer token |
//! | `ResponseCacheLayer` | keeps chosen responses, and serves them while the server is out (feature `response-cache`) |
//! | [`TimeoutLayer`] | bounds a call from its start to the end of the body |
//! | [`FallbackLayer`] | answers in the place of an upstream that is out, or fails closed |
//! | [`DetachLayer`] | answers 202 for named endpoints and sends in the background |
//! | [`AttemptSpanLayer`] | makes a span for each attempt, by OpenTelemetry's conventions |
//! | [`Stack`] | the [order](stack) that is recommended |
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
//! // Stands for hyper-util's client: a server that refuses the first send for two seconds.
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
//! let response = client.clone().oneshot(request).await?; // made once, and cloned for each call
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
//! What the server said → what we decide → how we wait. [`headers`] reads what servers say, [`policy`] decides, and the
//! layers wait and send. The first two are functions of their arguments and of use without any layer: they say what an
//! answer means and whether it would be sent again, with no clock and no chance of their own.
//!
//! The [`guide`] is the manual: in which [order](guide::ordering) the layers go, what [readiness](guide::readiness) asks of a
//! layer, which [providers](guide::providers) are read, [what happens when](guide::failure_modes) something fails, how to
//! [test](guide::testing) a stack, what it [costs](guide::performance), and what [others](guide::comparison) do.
//!
//! # Features
//!
//! | feature | default | |
//! |---|---|---|
//! | `hyper` | yes | tells a connection that was never made from one that broke, for hyper's and hyper-util's errors |
//! | `client-credentials` | yes | `ClientCredentials`: the OAuth 2.0 grant over any HTTP service |
//! | `axum` | | our errors as answers of an axum app, and a newtype for the others |
//! | `reqwest` | | the layers around a reqwest client |
//! | `tower-http` | | our classes as the failures of tower-http's `TraceLayer` |
//! | `metrics` | | counts what the layers do, by endpoint, for the `metrics` facade |
//! | `response-cache` | | `ResponseCacheLayer`: keeps the responses of chosen `GET`s |
//! | `http2` | | tells an HTTP/2 stream that was refused unprocessed |
//! | `private-key-jwt` | | a client that proves itself by a signature and sends no secret |
//! | `test-util` | | a scripted service, a clock to set and a readiness probe, for the tests of your own stack |

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
#[cfg(feature = "test-util")]
#[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
pub mod test_util;
pub mod throttle;
pub mod timeout;
pub mod token_cache;

mod cooldown;
mod endpoint;
mod jitter;
mod origin;
mod single_flight;

#[cfg(feature = "__internals")]
#[doc(hidden)]
#[path = "internals.rs"]
pub mod __internals;

pub use attempt_span::AttemptSpanLayer;
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
