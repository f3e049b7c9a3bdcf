//! Our errors as answers of an axum app, and any error of a call as one.
//!
//! A handler calls an API through the layers, the call fails, and the app has to say something to its own caller. What it says must not
//! be the upstream's words: a 401 or a 429 of the upstream was meant for the app, and passed on it would sign out a user who did
//! nothing wrong, or tell a browser that *it* sends too much.
//!
//! | what happened | status | `Retry-After` |
//! |---|---|---|
//! | [`UpstreamUnavailable`], of any class | 503 | as told, else [5 s](UpstreamError::DEFAULT_RETRY_AFTER) |
//! | [`Throttled`], `RateLimited`, `Unavailable` | 503 | the same |
//! | [`NotQueued`]: the queue is full or shut down | 503 | the same |
//! | [`TokenError`]: the issuer is out or limits us | 503 | the same |
//! | [`Elapsed`], `Timeout` | 504 ([RFC 9110 section 15.6.5](https://www.rfc-editor.org/rfc/rfc9110#section-15.6.5)) | |
//! | [`TokenError`]: the issuer refuses our credentials, or gives no usable token | 502 | |
//! | `Connect`, `Interrupted`, `Unauthenticated`, `Forbidden`, `Rejected` | 502 ([RFC 9110 section 15.6.3](https://www.rfc-editor.org/rfc/rfc9110#section-15.6.3)) | |
//! | [`OriginNotAllowed`], [`InvalidConfig`], [`ReplayError`], [`NotQueued`] without a runtime, and what is unknown | 500 | |
//!
//! An [`UpstreamUnavailable`] anywhere in an error counts first, then [`OriginNotAllowed`] and [`InvalidConfig`], then the outermost
//! error that is known. One that only holds others, such as the response cache's `FetchFailed`, is what is in it.
//!
//! The body is a problem by [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457), `application/problem+json`, of fixed words: nothing of
//! the error or the upstream is in it. The [`UpstreamError`] is in the response's extensions, for a layer that logs, and has its
//! [`Classification`].
//!
//! ```json
//! {"type":"about:blank","title":"Service Unavailable","status":503,
//!  "detail":"A service that this one depends on cannot be used right now.","retry_after":30}
//! ```
//!
//! # Example
//!
//! A client in the app's state, and a limit for the time of each request around the router. The limit's deadline is known to the
//! client inside, which does not begin a wait that would pass it.
//!
//! ```
//! use std::time::Duration;
//! use axum::{Router, body::Body, error_handling::HandleErrorLayer, extract::State, response::Response, routing::get};
//! use http::Request;
//! use tower::{ServiceBuilder, ServiceExt, service_fn, util::BoxCloneSyncService};
//! use tower_heed::{BoxError, FallbackLayer, TimeoutLayer, integrations::axum::UpstreamError};
//!
//! type Client = BoxCloneSyncService<Request<Body>, Response, BoxError>;
//!
//! async fn user(State(client): State<Client>) -> Result<Response, UpstreamError> {
//!     let request = Request::get("https://id.example/users/1").body(Body::empty())?;
//!     Ok(client.oneshot(request).await?)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! // Stands for an HTTP client: an upstream that does not know us.
//! let http = service_fn(async |_: Request<Body>| {
//!     Ok::<_, BoxError>(Response::builder().status(401).body(Body::empty())?)
//! });
//! let client = ServiceBuilder::new()
//!     .map_response(|response: http::Response<_>| response.map(Body::new))
//!     .layer(FallbackLayer::fail_closed())
//!     .service(http);
//!
//! let app: Router = Router::new()
//!     .route("/me", get(user))
//!     .with_state(BoxCloneSyncService::new(client))
//!     .layer(
//!         ServiceBuilder::new()
//!             .layer(HandleErrorLayer::new(async |error: BoxError| UpstreamError::from(error)))
//!             .layer(TimeoutLayer::new(Duration::from_secs(5))?),
//!     );
//!
//! let response = app.oneshot(Request::get("/me").body(Body::empty())?).await?;
//! assert_eq!(response.status(), 503); // and not 401
//! assert_eq!(response.headers()["retry-after"], "5");
//! # Ok(())
//! # }
//! ```
//!
//! [`Classification`]: crate::classify::Classification
//! [`Elapsed`]: crate::timeout::Elapsed
//! [`InvalidConfig`]: crate::error::InvalidConfig
//! [`NotQueued`]: crate::detach::NotQueued
//! [`OriginNotAllowed`]: crate::ErrorKind::OriginNotAllowed
//! [`ReplayError`]: crate::body::ReplayError
//! [`Throttled`]: crate::ErrorKind::Throttled
//! [`TokenError`]: crate::token_cache::TokenError
//! [`UpstreamUnavailable`]: crate::fallback::UpstreamUnavailable

mod problem;
mod responses;
mod upstream_error;

pub use upstream_error::UpstreamError;
