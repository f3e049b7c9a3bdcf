//! What the caller gets when the upstream is out: an answer in its place, or an error that says so.
//!
//! Use it outermost, around everything that tries to get an answer. There are two ways to fail, and each endpoint has to
//! choose, for the choice has consequences:
//!
//! * **open**: go on without the upstream, with an answer of your own. For what is nice to have: feature flags, a picture, the
//!   number of unread messages.
//! * **closed**: do without. For all that decides something: whether someone may do this, what they have to pay.
//!
//! Do not fail open where the answer lets someone in. This layer never does so for a failure that has to do with
//! credentials, but a permission service that is *down* says nothing about credentials, and an open answer to "may they?" is
//! a yes to everyone for as long as it is down.
//!
//! # Example
//!
//! ```
//! use std::convert::Infallible;
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_heed::{FallbackLayer, error::find, fallback::UpstreamUnavailable, extensions::Degraded};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_heed::BoxError> {
//! // An upstream that refuses everything because of a limit.
//! let http = service_fn(async |_: Request<Full<Bytes>>| {
//!     let response = Response::builder().status(429).header("retry-after", 30);
//!     Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
//! });
//! let layer = FallbackLayer::fail_closed()
//!     .endpoint("GET /flags", |config| config.fail_open(|_| Response::new("{}")))?;
//! let client = ServiceBuilder::new().layer(layer).service(http);
//! let get = |path| Request::get(path).body(Full::default());
//!
//! let response = client.clone().oneshot(get("/flags")?).await?;
//! assert!(response.extensions().get::<Degraded>().is_some());
//! assert_eq!(response.into_body().collect().await?.to_bytes(), "{}");
//!
//! let error = client.oneshot(get("/may-they")?).await.unwrap_err();
//! let error = find::<UpstreamUnavailable>(error.as_ref()).unwrap();
//! assert_eq!(error.retry_after_seconds(), Some(30));
//! # Ok(())
//! # }
//! ```
//!
//! # What becomes of which failure
//!
//! | class | [`fail_open`](FallbackLayer::fail_open) | [`fail_closed`](FallbackLayer::fail_closed) |
//! |---|---|---|
//! | `RateLimited`, `Timeout`, `Unavailable`, `Connect`, `Interrupted`, `Throttled` | open | closed |
//! | `TokenUnavailable`: the issuer is out or limits us | open | closed |
//! | `TokenUnavailable`: the issuer refuses our credentials, or gives no usable token | as it is | closed |
//! | `Unauthenticated` | as it is | closed |
//! | `Forbidden`, `Rejected` | as it is | as it is |
//! | an error of unknown meaning | as it is | as it is |
//!
//! *Closed* is an [`UpstreamUnavailable`]. A 401 becomes one because it was meant for this program, whose caller would take it
//! for a sign-out of its own; a layer for a proxy that sends its users' own credentials says
//! [`pass_through_on`](FallbackLayer::pass_through_on). A 403 or a 404 is an answer about the thing that was asked for.
//!
//! An answer that would pass has its status looked at as well, whatever a classifier takes it for, so that it passes only if that
//! may: a 401, 407 or 511 is closed wherever `Unauthenticated` is, a 403 wherever `Forbidden` is, and a 429 wherever `RateLimited`
//! is. The same holds for an answer that became an error inside.
//!
//! *Open* calls the closure with a [`Failure`] and returns its response with the mark [`Degraded`](crate::extensions::Degraded). If it
//! gives `None`, the call fails closed.
//!
//! Each class can be told otherwise, for all requests or for an endpoint: `fail_open_on`, `fail_closed_on`,
//! `pass_through_on`. A server that fails open, and whose own credentials the upstream sees, adds
//! `fail_closed_on(ErrorClass::Unauthenticated)`, so that it does not pass a 401 on to its users:
//!
//! ```
//! use http::Response;
//! use tower_heed::{FallbackLayer, classify::ErrorClass};
//!
//! let layer = FallbackLayer::fail_open(|_| Response::new("[]")).fail_closed_on(ErrorClass::Unauthenticated);
//! ```
//!
//! # Whom failing open never lets in
//!
//! Before a failure is answered it is looked at again, whatever its class. It has to do with credentials, and is dealt with as
//! `Unauthenticated` or `Forbidden`, if
//!
//! * its status is 401, 403, 407 or 511. A 403 that says it is a limit is among them: it may be a true refusal of someone whose
//!   limit happens to be used up;
//! * it comes with a `WWW-Authenticate` challenge and is no 429;
//! * the layer's own [classifier](FallbackLayer::classifier) takes it for one, where a layer inside has read it differently;
//! * it is an error, and one of those below it is such an answer, or a
//!   [`TokenError`](crate::token_cache::TokenError) of credentials that the issuer refuses, of an answer without a usable token, or
//!   of a source's own error whose meaning is not known.
//!
//! What is refused before there is HTTP cannot be told from a connection that failed: a client certificate that the server does
//! not take, or a proxy's 407 to `CONNECT`, is `Connect` or `Interrupted`. Where certificates say who asks, add
//! `fail_closed_on` for both.
//!
//! To be open to these as well, say so by a method whose name says what it risks:
//! [`dangerously_let_in_unauthenticated`](Config::dangerously_let_in_unauthenticated),
//! [`dangerously_let_in_forbidden`](Config::dangerously_let_in_forbidden). What is taken for the one and has the status of the other
//! needs both.
//!
//! # Bodies
//!
//! The answer in the upstream's place has its body at hand: a `&'static str`, a `String`, a `Vec<u8>` or [`Bytes`](bytes::Bytes).
//! So the upstream's own body may be any whose data are `Bytes`, also one that nobody can make, such as hyper's `Incoming`. Both
//! come as a [`FallbackBody`], which is a body as others are; for axum, turn it into its own outside of the layer:
//!
//! ```
//! # use std::convert::Infallible;
//! # use http::{Request, Response};
//! # use http_body_util::Empty;
//! # use bytes::Bytes;
//! # use tower::{ServiceBuilder, ServiceExt, service_fn};
//! # use tower_heed::FallbackLayer;
//! use axum::body::Body;
//!
//! # let http = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())));
//! let client = ServiceBuilder::new()
//!     .map_response(|response: Response<_>| response.map(Body::new))
//!     .layer(FallbackLayer::fail_open(|_| Response::new("[]")))
//!     .service(http);
//! # let _ = client.oneshot(Request::new(Body::empty()));
//! ```
//!
//! # Defaults
//!
//! | setting | default |
//! |---|---|
//! | open or closed | none: the constructor says it |
//! | classes | as in the table above |
//! | [`classifier`](FallbackLayer::classifier), for answers without a [`Classification`](crate::classify::Classification) | [`Preset::Standard`](crate::classify::Preset::Standard) |
//! | [`endpoint`](FallbackLayer::endpoint) | none; it starts with what the layer has at that line |
//!
//! # Cost
//!
//! A call that succeeds costs references to what the services share, and no allocation. Where an endpoint may fail open its
//! method and address are kept for the closure, which may allocate once for an address that is a path alone. A failing answer is
//! boxed.
//!
//! # Readiness
//!
//! `poll_ready` is the inner service's and its error passes unchanged: it belongs to no request.
//!
//! # Cancellation
//!
//! Dropping the future drops the inner one, or the answer that is waited for. Nothing else is held.
//!
//! # Cloning
//!
//! Clones share the closures and the configuration and nothing else. A setter changes one layer and none of its clones.
//!
//! # Ordering
//!
//! Outermost. [`TimeoutLayer`](crate::TimeoutLayer) goes inside, so that its [`Elapsed`](crate::timeout::Elapsed) is answered
//! too; so does [`RetryOnRateLimit`](crate::RetryOnRateLimit), which would otherwise take an open answer for a success of the
//! upstream; so does [`ErrorClassifyLayer`](crate::ErrorClassifyLayer), whose session an open answer would sign in; and so does
//! any cache, which would keep an open answer for longer than the upstream is out. One of your own asks for the mark.
//!
//! A failing answer is let go before the caller gets another: its body is read away first, within
//! [64 KiB](FallbackLayer::DRAIN_MAX_BYTES) and [a tenth of a second](FallbackLayer::DRAIN_TIMEOUT), so that its connection can be
//! used again; where the call's [`Deadline`](crate::extensions::Deadline) leaves less time than that, what is not there at once is not
//! waited for. Nothing of what the upstream sent is in an open answer. Once the head of a success has been passed on, a body that
//! breaks off is the caller's to deal with.
//!
//! # Errors
//!
//! [`UpstreamUnavailable`], found through any wrapping by [`find`](crate::error::find), with the class, how long not to ask again,
//! and the error that it stands for as its source. With the feature `axum` it is a response: 503 with `Retry-After`. All other
//! errors pass unchanged.
//!
//! # Panics
//!
//! Reading away an answer's body that is not there at once sets a timer: outside a tokio runtime with its timer on, that panics. A
//! closure that panics does so in the call that it is to answer, and in no other.
//!
//! # Events
//!
//! One for each failure that is answered or becomes an error, or that is not answered although its class is open. The target is
//! `tower_heed::fallback`, the fields are `endpoint` (the pattern), `class`, `status` and `wait_ms`, each if it is known. None holds
//! a URL, a token or a header's own text. A failure that passes as it is leaves none.
//!
//! | level | message |
//! |---|---|
//! | `WARN` | `answered in the upstream's place` |
//! | `INFO` | `failed in the upstream's place` |
//! | `INFO` | `not answered in the upstream's place: it has to do with credentials` |

mod answer;
mod body;
mod call;
mod config;
mod denial;
mod events;
mod failure;
mod future;
mod judge;
mod layer;
mod service;
mod settle;

pub use crate::error::UpstreamUnavailable;
pub use answer::IntoFallback;
pub use body::FallbackBody;
pub use config::Config;
pub use failure::Failure;
pub use future::ResponseFuture;
pub use layer::FallbackLayer;
pub use service::Fallback;
