//! Errors as responses of an axum app.
//!
//! A handler calls an API through the layers, the call fails, and the app has to respond to its own caller. The upstream's response
//! must not be passed on: a 401 or a 429 of the upstream is about the app's credentials and limits. Passed on, it would sign out a
//! user, or tell a browser that *it* sends too many requests.
//!
//! **Only errors become the responses below.** By default a failing response stays an `Ok`, and a handler that returns it sends the
//! upstream's 429 to the browser. A [`FallbackLayer`](crate::FallbackLayer) makes it an error, and so does
//! [`error_for_status`](crate::ErrorClassifyLayer::error_for_status).
//!
//! | error | status | `Retry-After` |
//! |---|---|---|
//! | [`UpstreamUnavailable`], of any class | 503 | the error's, else [5 s](UpstreamError::DEFAULT_RETRY_AFTER) |
//! | [`CircuitOpen`], [`Throttled`], `RateLimited`, `Unavailable` | 503 | the same |
//! | [`NotQueued`]: the queue is full or shut down | 503 | the same |
//! | [`TokenError`]: the token endpoint is down or limits us | 503 | the same |
//! | [`Timeout`], unless its class is `Throttled` or `Connect` | 504 ([RFC 9110 section 15.6.5](https://www.rfc-editor.org/rfc/rfc9110#section-15.6.5)) | |
//! | [`TokenError`]: the token endpoint rejects our credentials, or returns no usable token | 502 | |
//! | `Connect`, `Interrupted`, `Unauthenticated`, `Forbidden`, `Rejected` | 502 ([RFC 9110 section 15.6.3](https://www.rfc-editor.org/rfc/rfc9110#section-15.6.3)) | |
//! | `serde_json`'s: the body is not what the handler reads out of it, as that of a 404 | 502 | |
//! | [`RequestBody`]: the body of the caller's request broke off | 400 | |
//! | [`Timeout`] while the caller's request was [uploading](crate::error::Phase::Uploading) | 408 | |
//! | [`OriginNotAllowed`], [`InvalidConfig`], [`ReplayBody`], [`NotQueued`] without a runtime, and unknown errors | 500 | |
//!
//! The names are kinds of an [`Error`](crate::Error) or its [`ErrorClass`]. An `UpstreamUnavailable` anywhere in the chain of sources
//! counts first, then `OriginNotAllowed` and `InvalidConfig`, then the outermost known error. An error that only wraps others, such as
//! the response cache's `FetchFailed`, counts as its source.
//!
//! The body is a problem by [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457), `application/problem+json`, with a fixed text that
//! contains nothing from the error or the upstream. The response's extensions contain the [`UpstreamError`], for a layer that logs.
//!
//! ```json
//! {"type":"about:blank","title":"Service Unavailable","status":503,
//!  "detail":"A service that this one depends on cannot be used right now.","retry_after":30}
//! ```
//!
//! # Example
//!
//! A stack in the app's state, and a time limit for each request around the router. The client inside knows the deadline and does
//! not start a wait that would pass it. The stack's service has a [name](crate::stack::StackService), and
//! `.map(axum::body::Body::new)` makes its response one of axum's, whose body is still streamed.
//!
//! ```
//! use std::time::Duration;
//! use axum::{Router, body::Body, error_handling::HandleErrorLayer, extract::State, response::Response, routing::get};
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use hyper_util::{client::legacy::{Client, connect::HttpConnector}, rt::TokioExecutor};
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_heed::{BoxError, FallbackLayer, Stack, TimeoutLayer, integrations::axum::UpstreamError, stack::StackService};
//!
//! #[derive(Clone)]
//! struct App {
//!     identity: StackService<Client<HttpConnector, Full<Bytes>>, Full<Bytes>>,
//! }
//!
//! impl App {
//!     async fn get(&self, url: &str) -> Result<Response, BoxError> {
//!         let request = Request::get(url).body(Full::default())?;
//!         Ok(self.identity.clone().oneshot(request).await?.map(Body::new))
//!     }
//! }
//!
//! async fn user(State(app): State<App>) -> Result<Response, UpstreamError> {
//!     Ok(app.get("http://127.0.0.1:1/users/1").await?)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let http = Client::builder(TokioExecutor::new()).build_http();
//! let identity = Stack::new()
//!     .fallback(FallbackLayer::fail_closed())
//!     .endpoint("GET /users/{id}".parse()?, |e| e.max_retries(0))
//!     .service(http);
//! let app: Router = Router::new()
//!     .route("/me", get(user))
//!     .with_state(App { identity })
//!     .layer(
//!         ServiceBuilder::new()
//!             .layer(HandleErrorLayer::new(async |error: BoxError| UpstreamError::from(error)))
//!             .layer(TimeoutLayer::new(Duration::from_secs(5))),
//!     );
//!
//! let response = app.oneshot(Request::get("/me").body(Body::empty())?).await?;
//! assert_eq!(response.status(), 503); // nobody listens on that port
//! assert_eq!(response.headers()["retry-after"], "5");
//! # Ok(())
//! # }
//! ```
//!
//! [`CircuitOpen`]: crate::ErrorKind::CircuitOpen
//! [`ErrorClass`]: crate::classify::ErrorClass
//! [`InvalidConfig`]: crate::error::InvalidConfig
//! [`NotQueued`]: crate::ErrorKind::NotQueued
//! [`OriginNotAllowed`]: crate::ErrorKind::OriginNotAllowed
//! [`ReplayBody`]: crate::ErrorKind::ReplayBody
//! [`RequestBody`]: crate::ErrorKind::RequestBody
//! [`Throttled`]: crate::ErrorKind::Throttled
//! [`Timeout`]: crate::ErrorKind::Timeout
//! [`TokenError`]: crate::error::TokenError
//! [`UpstreamUnavailable`]: crate::ErrorKind::UpstreamUnavailable

mod problem;
mod upstream_error;

pub use upstream_error::UpstreamError;
