//! Decides what the caller gets when the upstream is down: a fallback response, or an error that says so.
//!
//! Use it outermost, around everything that tries to get a response. There are two ways to fail, and each endpoint needs a choice:
//!
//! * **Fail open**: go on without the upstream, with your own response. For optional data: feature flags, a picture, the number
//!   of unread messages.
//! * **Fail closed**: return an error. For everything that decides something: whether a user may do this, what a user has to pay.
//!
//! Do not fail open where the response grants access: while a permission service is *down*, an open response to "may they?" is a yes
//! to everyone. The layer refuses to fail open only if the failure itself concerns credentials.
//!
//! # Example
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_heed::{Error, ErrorKind, FallbackLayer, extensions::Degraded};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_heed::BoxError> {
//! // An upstream that limits every request.
//! let http = service_fn(async |_: Request<Full<Bytes>>| {
//!     let response = Response::builder().status(429).header("retry-after", 30);
//!     Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
//! });
//! let layer = FallbackLayer::fail_closed()
//!     .endpoint("GET /flags".parse()?, |config| config.fail_open(|_| Response::new("{}")));
//! let client = ServiceBuilder::new().layer(layer).service(http);
//! let get = |path| Request::get(path).body(Full::default());
//!
//! let response = client.clone().oneshot(get("/flags")?).await?;
//! assert!(response.extensions().get::<Degraded>().is_some());
//! assert_eq!(response.into_body().collect().await?.to_bytes(), "{}");
//!
//! let error = client.oneshot(get("/may-they")?).await.unwrap_err();
//! let error: &Error = error.downcast_ref().unwrap();
//! assert_eq!(*error.kind(), ErrorKind::UpstreamUnavailable);
//! assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
//! # Ok(())
//! # }
//! ```
//!
//! # Who decides
//!
//! The layer by default, its [`endpoint`](FallbackLayer::endpoint)s by the upstream's path, and each request by an [`OnFailure`] in
//! its extensions. Closed wins over open.
//!
//! # Which failures are handled
//!
//! | class | [`fail_open`](FallbackLayer::fail_open) | [`fail_closed`](FallbackLayer::fail_closed) |
//! |---|---|---|
//! | `RateLimited`, `Timeout`, `Unavailable`, `Connect`, `Interrupted`, `Throttled` | fallback response | error |
//! | `TokenUnavailable`: the token endpoint is down or limits us | fallback response | error |
//! | `TokenUnavailable`: the token endpoint rejects our credentials, or returns no usable token | passes through | error |
//! | `Unauthenticated` | passes through | error |
//! | `Forbidden`, `Rejected` | passes through | passes through |
//! | an unknown error | passes through | passes through |
//! | `Timeout` or `Unavailable` by a 408, 425, 501 or 505, or gRPC's `DEADLINE_EXCEEDED` | passes through | error |
//! | `Timeout` or `Interrupted` while a [`ReplayBody`](crate::body::ReplayBody) is still being read | passes through | error |
//!
//! The error is of the kind [`UpstreamUnavailable`](crate::ErrorKind::UpstreamUnavailable). A 401 becomes one because it is about
//! this program's credentials, and the program's caller would treat it as its own sign-out. A proxy that forwards its users'
//! own credentials sets [`pass_through_on`](FallbackLayer::pass_through_on). A 403 or a 404 is a response about the resource.
//!
//! A response passes through only if its status may, too, however a classifier classifies it: a 401, 407, 440, 498, 511 or 561 fails
//! closed wherever `Unauthenticated` does, a 403 wherever `Forbidden` does, and a 429 wherever `RateLimited` does. The same holds for
//! a response that became an error inside.
//!
//! The last two rows are failures that a client can cause by its request: by an unknown method, early data, or an upload that stalls.
//! How far an upload is, is known only inside a [`ReplayBodyLayer`](crate::body::ReplayBodyLayer): put one around this layer if
//! clients' bodies are sent on. An upload that breaks off is known without it too where the client marks the error of a body as the
//! caller's, as hyper's and reqwest's do; one that returns it as it is does not.
//!
//! A circuit that is open is `Throttled`, which fails open: with a [`CircuitBreakerLayer`](crate::CircuitBreakerLayer) inside, an
//! endpoint that a client can make fail opens the others of its origin too, unless it has
//! [its own circuit](crate::circuit_breaker::CircuitBreakerConfig::own_circuit).
//!
//! The layer acts on the failure of the whole call, so **a fallback response comes after all retries**: in a [`Stack`](crate::Stack)
//! after some seconds, at most its `call_timeout`. For optional data that nobody should wait for, give the endpoint less of both:
//!
//! ```
//! use std::time::Duration;
//! use http::Response;
//! use tower_heed::{FallbackLayer, Stack};
//!
//! Stack::new()
//!     .fallback(FallbackLayer::fail_closed())
//!     .endpoint("GET /flags".parse()?, |e| {
//!         e.fallback(|config| config.fail_open(|_| Response::new("{}"))).max_retries(0).timeout(Duration::from_millis(300))
//!     });
//! # Ok::<(), tower_heed::error::InvalidConfig>(())
//! ```
//!
//! Failing open calls the closure with a [`FailedRequest`] and returns its response, marked with
//! [`Degraded`](crate::extensions::Degraded). If the closure returns `None`, the call fails closed.
//!
//! [`fail_open_async`](FallbackLayer::fail_open_async) takes a closure that returns a future, and
//! [`pass_through`](FallbackConfig::pass_through) leaves all failures of an endpoint as they are.
//!
//! `fail_open_on`, `fail_closed_on` and `pass_through_on` change a single class, for all requests or for one endpoint. A server that
//! fails open and calls the upstream with its own credentials adds `fail_closed_on(ErrorClass::Unauthenticated)`, so that it
//! does not pass a 401 on to its users:
//!
//! ```
//! use http::Response;
//! use tower_heed::{FallbackLayer, classify::ErrorClass};
//!
//! let layer = FallbackLayer::fail_open(|_| Response::new("[]")).fail_closed_on(ErrorClass::Unauthenticated);
//! ```
//!
//! # Failures that never fail open
//!
//! Before a call fails open, the layer checks whether the failure concerns credentials. It is then handled as `Unauthenticated` or
//! `Forbidden`, whatever its class. A failure concerns credentials if
//!
//! * its status is 401, 403, 407 or 511, or 440, 498 or 561 as some vendors send; a 403 even if it names a limit, since it may be a
//!   denial to a caller whose limit happens to be exhausted;
//! * it has a `WWW-Authenticate` challenge and is not a 429;
//! * the layer's own [classifier](FallbackLayer::classifier) says so, even if an inner layer has classified it differently;
//! * it is an error, and it or one of its sources is such a response, or a [`TokenError`](crate::error::TokenError) for rejected
//!   credentials, for a response without a usable token, or with a source of unknown class.
//!
//! A rejection before HTTP looks like a failed connection: a client certificate that the server does not accept, or a proxy's 407 to
//! `CONNECT`, is `Connect` or `Interrupted`. If certificates identify your callers, add `fail_closed_on` for both.
//!
//! Nor does another spelling of its path open a request: `//permissions/1`, `/%70ermissions/1` and `HEAD /permissions/1` fail closed
//! where `GET /permissions/{id}` does. See [other spellings](crate::EndpointPattern#other-spellings).
//!
//! To fail open on credentials too, use the methods that name the risk:
//! [`dangerously_let_in_unauthenticated`](FallbackConfig::dangerously_let_in_unauthenticated) and
//! [`dangerously_let_in_forbidden`](FallbackConfig::dangerously_let_in_forbidden). A failure with the class of one and the status of
//! the other needs both.
//!
//! # Bodies
//!
//! A fallback response has a body in memory: a `&'static str`, a `String`, a `Vec<u8>` or [`Bytes`](bytes::Bytes). The upstream's
//! body may therefore be any body of `Bytes`, even one that cannot be constructed, such as hyper's `Incoming`. Both become a
//! [`FallbackBody`]. For axum, convert it outside the layer:
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
//! | fail open or closed | none: the constructor decides |
//! | classes | as in the table above |
//! | [`classifier`](FallbackLayer::classifier), for responses without a [`Classification`](crate::classify::Classification) | [`Preset::Standard`](crate::classify::Preset::Standard) |
//! | [`endpoint`](FallbackLayer::endpoint) | none; starts with the layer's settings at that line |
//!
//! # Cost
//!
//! A successful call costs references to the shared settings, and no allocation. If its endpoint may fail open, its method and URI
//! are kept for the closure, which may allocate once for a URI that is only a path. A failed response is boxed.
//!
//! # Readiness
//!
//! `poll_ready` is the inner service's, and its error passes through: it belongs to no request.
//!
//! # Cancellation
//!
//! Dropping the future drops the inner one or the closure's. The layer holds nothing else.
//!
//! # Cloning
//!
//! Clones share the closures and the configuration. A setter changes one layer and none of its clones.
//!
//! # Ordering
//!
//! Outermost. The following layers go inside: [`TimeoutLayer`](crate::TimeoutLayer), so that a timeout fails open or closed as well;
//! [`RetryOnRateLimit`](crate::RetryOnRateLimit), which would otherwise treat a fallback response as a success of the upstream;
//! [`ErrorClassifyLayer`](crate::ErrorClassifyLayer), whose session a fallback response would sign in; and any cache, which would
//! keep a fallback response for longer than the upstream is down. Your own cache should check for the mark.
//!
//! A failed response is dropped before the caller gets another one. Its body is drained first, up to
//! [64 KiB](FallbackLayer::DRAIN_MAX_BYTES) and [100 ms](FallbackLayer::DRAIN_TIMEOUT), so that its connection can be used again; if
//! the call's [`Deadline`](crate::extensions::Deadline) leaves less time, the layer does not wait for the body. A fallback response
//! contains nothing from the upstream. Once the head of a success has passed, the caller handles a body that breaks off.
//!
//! # Errors
//!
//! An [`Error`](crate::Error) of the kind [`UpstreamUnavailable`](crate::ErrorKind::UpstreamUnavailable), with the class of the
//! failure, the time to wait, and the original error as its source. With the feature `axum` it becomes a 503 response with
//! `Retry-After`. Other errors pass through.
//!
//! # Panics
//!
//! Draining a body that is not there at once sets a timer, which panics outside a tokio runtime with time enabled. If a closure
//! panics, only the call that it should respond to panics.
//!
//! # Events
//!
//! The target is `tower_heed::fallback`. The fields are `endpoint` (the pattern), `class`, `status` and `wait_ms`, each if known.
//! None contains a URL, a token or a header value. A failure that passes through is not logged, unless it concerns credentials and
//! its class would have failed open.
//!
//! | level | message |
//! |---|---|
//! | `WARN` | `failed open with a fallback response` |
//! | `INFO` | `failed closed` |
//! | `INFO` | `did not fail open: the failure concerns credentials` |
//! | `WARN` | `setting without effect: a failure of credentials does not fail open`, when the layer is configured |
//! | `WARN` | `no closure to fail open with, the class fails closed`, when the layer is configured |
//!
//! Each event of a [named](FallbackLayer::name) layer has the name as `stack`.

mod body;
mod call;
mod config;
mod denial;
mod events;
mod failed_request;
mod future;
mod layer;
mod on_failure;
mod resolve;
mod respond;
mod service;

pub use body::FallbackBody;
pub use config::FallbackConfig;
pub use failed_request::FailedRequest;
pub use future::ResponseFuture;
pub use layer::FallbackLayer;
pub use on_failure::OnFailure;
pub use service::Fallback;
