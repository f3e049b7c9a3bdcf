//! The layers around a reqwest client.
//!
//! A reqwest client takes reqwest's own requests. The layers of this crate, like tower-http's, take [`http::Request`]s.
//! [`ReqwestService`] turns an `http::Request` into reqwest's. Use it if your app has a [`Client`](::reqwest::Client) with its TLS, proxies and
//! cookies. Otherwise hyper-util's client costs less and needs no adapter.
//!
//! # Example
//!
//! ```no_run
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::{BodyExt, Full};
//! use reqwest::redirect::Policy;
//! use tower::ServiceExt;
//! use tower_heed::{Stack, TokenCacheLayer, integrations::reqwest::ReqwestService, token_cache::StaticToken};
//!
//! # async fn run() -> Result<(), tower_heed::BoxError> {
//! let http = reqwest::Client::builder().redirect(Policy::none()).build()?;
//! let token = TokenCacheLayer::new(StaticToken::new("sk_test_7")?).allow_origin("https://api.clerk.com".parse()?);
//! let client = Stack::new().token_cache(token).service(ReqwestService::new(http));
//!
//! let request = Request::get("https://api.clerk.com/v1/users").body(Full::<Bytes>::default())?;
//! let response = client.oneshot(request).await?;
//! let users = response.into_body().collect().await?.to_bytes();
//! # drop(users);
//! # Ok(())
//! # }
//! ```
//!
//! [`http::request::Builder`] replaces reqwest's `RequestBuilder`: `.json(&value)` becomes
//! `.header("content-type", "application/json").body(Full::from(serde_json::to_vec(&value)?))`. The settings of the *client* apply to
//! every attempt: default headers, cookies, proxies, decompression. To use `.json()` (reqwest's feature `json`) or `.error_for_status()`, convert the
//! response by `reqwest::Response::from(response.map(reqwest::Body::wrap))`; such a [`reqwest::Response`] has no URL. Credentials in a URI do
//! not become an `Authorization` header.
//!
//! [`reqwest::Response`]: ::reqwest::Response
//!
//! # Bodies
//!
//! The request takes any [`Body`](http_body::Body) of bytes that is `Send + Sync`: `Full<Bytes>` by [`ReqwestService::new`], another by
//! [`ReqwestService::with_body`], such as [`ReplayBody`](crate::body::ReplayBody) or reqwest's own. It is streamed; with a known length
//! it is sent with a `content-length`. The
//! response body is reqwest's, and streamed as well. The stack needs a replayable body, and reqwest's is not: wrap it with
//! [`ReplayBodyLayer`](crate::body::ReplayBodyLayer).
//!
//! # Redirects
//!
//! A reqwest client follows redirects itself, and the layers around it do not see them. It removes `Authorization` if a redirect
//! leaves the origin, so the token does not leak. But the other origin gets the first URL with its query in `Referer` (unless the
//! client is built with `referer(false)`), and a 401 or 429 of that origin is treated as the upstream's. With
//! [`TokenCacheLayer`](crate::TokenCacheLayer) or [`ThrottleLayer`](crate::ThrottleLayer), build the client with
//! [`Policy::none()`](::reqwest::redirect::Policy::none), and put tower-http's `FollowRedirect` around the stack to follow redirects.
//! reqwest does not resend a request whose body is not empty: the caller gets the 307 or 308.
//!
//! # Time limits and retries of reqwest
//!
//! reqwest's `timeout`, `read_timeout` and `connect_timeout` keep working. The first two are classified as
//! [`Timeout`](crate::classify::ErrorClass::Timeout), the third as [`Connect`](crate::classify::ErrorClass::Connect), because nothing
//! was sent. [`TimeoutLayer`](crate::TimeoutLayer) limits the same time and tells the other layers. Do not use reqwest's `retry`
//! together with [`RetryOnRateLimit`](crate::RetryOnRateLimit): the numbers of their attempts multiply.
//!
//! # Extensions
//!
//! The request's extensions ([`Deadline`](crate::extensions::Deadline), [`Attempt`](crate::extensions::Attempt)) reach the reqwest
//! request, which does not expose them. The response keeps its extensions.
//!
//! # Readiness
//!
//! `poll_ready` is the inner service's, and `call` uses the ready instance. A bare client is always ready. A service of reqwest's
//! requests, such as tower's `ConcurrencyLimit` around a client, may not be.
//!
//! # Cancellation
//!
//! Dropping the future drops reqwest's, which cancels the request.
//!
//! # Cloning
//!
//! A clone has a clone of the inner service. Clones of a reqwest client share its connections.
//!
//! # Errors
//!
//! reqwest's own, found by [`find`](crate::error::find), which every layer classifies: a failed connection, a broken one, a time
//! limit. The query, the fragment and the credentials are removed from the URL in the error. They are not removed from an error that
//! another layer has wrapped, nor from one about a redirect that `https_only` forbids. The error of a request body is a source of
//! reqwest's and has no class. Nor has the error about a URI without scheme and host, which reqwest does not accept.

mod future;
mod service;

pub use future::ResponseFuture;
pub use service::ReqwestService;
