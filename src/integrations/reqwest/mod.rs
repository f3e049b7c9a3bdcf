//! The layers around a reqwest client.
//!
//! A reqwest client takes reqwest's requests, and the layers of this crate, as those of tower-http, take [`http::Request`]s.
//! [`ReqwestService`] stands between the two. Use it where an app has a [`Client`](::reqwest::Client) with its TLS, proxies and
//! cookies already; otherwise hyper-util's client, which needs no adapter, costs less.
//!
//! # Example
//!
//! ```no_run
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::{BodyExt, Full};
//! use reqwest::redirect::Policy;
//! use tower::{Layer, ServiceExt};
//! use tower_heed::{Stack, TokenCacheLayer, integrations::reqwest::ReqwestService, token_cache::StaticToken};
//!
//! # async fn run() -> Result<(), tower_heed::BoxError> {
//! let http = reqwest::Client::builder().redirect(Policy::none()).build()?;
//! let token = TokenCacheLayer::new(StaticToken::new("sk_test_7")?).allow_origin("https://api.clerk.com".parse()?);
//! let client = Stack::new().token_cache(token).layer(ReqwestService::new(http));
//!
//! let request = Request::get("https://api.clerk.com/v1/users").body(Full::<Bytes>::default())?;
//! let response = client.oneshot(request).await?;
//! let users = response.into_body().collect().await?.to_bytes();
//! # drop(users);
//! # Ok(())
//! # }
//! ```
//!
//! What reqwest's `RequestBuilder` does is done on [`http::request::Builder`]: `.json(&value)` is
//! `.header("content-type", "application/json").body(Full::from(serde_json::to_vec(&value)?))`. What the *client* was built
//! with holds for every send: default headers, cookies, proxies, decompression. An answer becomes a [`reqwest::Response`] again
//! by `reqwest::Response::from(response.map(reqwest::Body::wrap))`, and has `.json()` and `.error_for_status()` then, and no URL any more.
//! Credentials in a URI make no `Authorization` header.
//!
//! [`reqwest::Response`]: ::reqwest::Response
//!
//! # Bodies
//!
//! Any [`Body`](http_body::Body) of bytes that is `Send + Sync`: `Full<Bytes>`, [`ReplayBody`](crate::body::ReplayBody), reqwest's own.
//! It is streamed; one of known length is sent with a `content-length`. The answer's body is reqwest's, and streamed as well.
//! The stack wants a body that it can send twice, which reqwest's is not: wrap it by
//! [`ReplayBodyLayer`](crate::body::ReplayBodyLayer).
//!
//! # Redirects
//!
//! A reqwest client follows redirects itself, so the layers around it do not see them. It takes `Authorization` away where
//! a redirect leaves the origin, so the token does not go astray; but the other origin is told the first URL with its query, as its
//! `Referer` (unless the client is built with `referer(false)`), a 401 of that other origin is then taken for a rejection
//! of the token, and its 429 for our upstream's. Where [`TokenCacheLayer`](crate::TokenCacheLayer) or
//! [`ThrottleLayer`](crate::ThrottleLayer) is in use, build the client with
//! [`Policy::none()`](::reqwest::redirect::Policy::none) and put tower-http's `FollowRedirect` around the stack if redirects are to be
//! followed. A request whose body is not empty is not sent again by reqwest: the caller gets a 307 or 308 as it is.
//!
//! # Time limits and retries of its own
//!
//! reqwest's `timeout`, `read_timeout` and `connect_timeout` work on and are understood: the first two are a
//! [`Timeout`](crate::classify::ErrorClass::Timeout), the third a [`Connect`](crate::classify::ErrorClass::Connect), since nothing was sent.
//! [`TimeoutLayer`](crate::TimeoutLayer) bounds the same time, and tells the other layers of it. Leave reqwest's `retry` alone
//! where [`RetryOnRateLimit`](crate::RetryOnRateLimit) is in use: two that retry multiply.
//!
//! # Extensions
//!
//! Those of the request ([`Deadline`](crate::extensions::Deadline), [`Attempt`](crate::extensions::Attempt)) reach the reqwest request and end
//! there: it shows them to nobody. Those of the response arrive.
//!
//! # Readiness
//!
//! `poll_ready` is the inner service's, and `call` goes to the instance that was made ready. A bare client is always ready. One
//! behind tower's `ConcurrencyLimit` or any other service of reqwest's requests is not, and its readiness arrives at the
//! layers outside.
//!
//! # Cancellation
//!
//! Dropping the future drops reqwest's, which gives the request up.
//!
//! # Cloning
//!
//! A clone has a clone of the inner service; clones of a reqwest client share its connections.
//!
//! # Errors
//!
//! reqwest's own, found by [`find`](crate::error::find), and understood by every layer: a connection that was never made,
//! one that broke half way, a time limit. The query, the fragment and the credentials of the URL that such an error shows are taken
//! out of it. Those of an error that another layer has wrapped are not, nor those of a redirect that `https_only` refuses. A request
//! body's own error is found below reqwest's and has no class. Nor has a URI that reqwest does not take, one without scheme and host,
//! which is an error of its as well.

mod future;
mod service;

pub use future::ResponseFuture;
pub use service::ReqwestService;
