//! A bearer token, fetched once, refreshed in time and attached to each request.
//!
//! Use it for APIs that are called with a machine's token: Auth0's Management API, Okta, Keycloak, Entra, a Clerk secret key, your
//! own services. Do not use it to forward your users' tokens: those belong to the request that brought them. A request that has
//! the token's field already, which is taken to be `Authorization` before the first token, passes unchanged.
//!
//! A token comes from a *source*, a [`Service`](tower_service::Service) from [`TokenRequest`] to [`Token`]:
//! `ClientCredentials`, [`StaticToken`], or any closure by [`tower::service_fn`] ([*Your own source*](#your-own-source)). The layer
//! calls it for one token at a time, however many requests wait, and not during the cooldown after a failure.
//!
//! [What the token cache guarantees](https://docs.rs/crate/tower-heed/latest/source/docs/tokens.md) states what holds in every case,
//! and what a token from the cache costs.
//!
//! # Example
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//! use bytes::Bytes;
//! use http::{Request, Response, header::AUTHORIZATION};
//! use http_body_util::Empty;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_heed::{error::TokenError, token_cache::{Token, TokenRequest}, TokenCacheLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_heed::BoxError> {
//! let source = service_fn(|_: TokenRequest| async {
//!     // In production: `ClientCredentials`, or your own call.
//!     Ok::<_, TokenError>(Token::bearer("eyJhbGciOi")?.expires_in(Duration::from_secs(86_400)))
//! });
//! let api = service_fn(|request: Request<Empty<Bytes>>| async move {
//!     Ok::<_, Infallible>(Response::new(request.headers()[AUTHORIZATION].clone()))
//! });
//! let client = ServiceBuilder::new()
//!     .layer(TokenCacheLayer::new(source).allow_origin("https://tenant.eu.auth0.com".parse()?))
//!     .service(api);
//!
//! let request = Request::get("https://tenant.eu.auth0.com/api/v2/users").body(Empty::new())?;
//! let response = client.oneshot(request).await?;
//! assert_eq!(response.body(), "Bearer eyJhbGciOi");
//! # Ok(())
//! # }
//! ```
//!
//! # Several keys
//!
//! The requests of one service can carry different tokens: another audience for some endpoints, another organization for some
//! requests. A [`TokenKey`] identifies a token. A request's key is, in this order,
//!
//! 1. the [`TokenScope`] in its extensions, for keys that are known when the request is made;
//! 2. its endpoint's [`TokenConfig::key`];
//! 3. the layer's [`key`](TokenCacheLayer::key), which has no parts by default: the source gives its own token.
//!
//! Each key has its own slot, so a stalled fetch, a failure or a rejection of one key does not affect another. What the issuer says to
//! the client holds for all its keys: see [*Cooldown*](#cooldown). The quota and the
//! session are shared too: see [several tenants](crate::stack#several-tenants). The source is
//! cloned for each fetch. The slots of keys that only requests name are bounded: [`max_keys`](TokenCacheLayer::max_keys).
//!
//! An endpoint that takes no token is named by [`TokenConfig::without_token`]. The [`handle`](TokenCacheLayer::handle) gets a token
//! without a request, fetches some before the first request ([`warm_up`](TokenCacheHandle::warm_up)), invalidates them, and shows
//! their state.
//!
//! # A token's lifetime
//!
//! ```text
//! requested                                                                               expires
//! │ obtained                                 refresh_at             soft_end            │
//! ├──┼──────────────────────────────────────────┼──────────────────────┼────────────────┼───────────►
//! │  │                 Fresh                    │      RefreshDue      │     Grace      │  Expired
//! │  │          the token, at once              │  the token, at once; │ the next one,  │  the next one;
//! │  │                                          │  a fetch in the      │ or after 1 s   │  this one is
//! │  │                                          │  background          │ this one       │  never sent
//!
//! one hour:                               50:30 … 53:30              59:30            60:00
//! one day:                             22:49:30 … 22:59:30        23:59:30         24:00:00
//! ```
//!
//! A token's age is counted from *before* its request, and is the larger of what the monotonic and the wall clock say: a laptop that
//! slept has aged its tokens, and a clock that is set back makes none younger.
//!
//! **A token of an hour is refreshed 6½ to 9½ minutes before it expires, one of a day 60½ to 70½ minutes before.** In general, with a
//! lifetime *L*, `soft_end` is min(30 s, *L*/10) before it expires. The refresh is due earlier than that by the larger of *L*/10 and
//! two [`fetch_timeout`](TokenCacheLayer::fetch_timeout)s (at most *L*/4), at most 60 min, and by a random part of min(*L*/20,
//! 10 min), so that processes that started together do not refresh together.
//!
//! | state | when | the caller gets | fetch |
//! |---|---|---|---|
//! | Empty | no token | waits for the fetch | begins one, unless in cooldown |
//! | Fresh | before `refresh_at` | the token at once | none |
//! | RefreshDue | up to `soft_end` | the token at once | one in the background, unless in cooldown |
//! | Grace | until it expires | waits up to 1 s, then the old token | as Empty |
//! | Expired | afterwards | waits; an expired token is never sent | as Empty |
//! | in cooldown, token usable | after a failure | the token at once | none before the cooldown ends |
//! | in cooldown, no token | after a failure | the error with `retry_after` at once, nothing is sent | exactly one when it ends |
//!
//! A *fetch* is one call of the source. It runs on its own task, so that it does not end with its caller, and all waiters share its
//! outcome, a failure too. Nothing is fetched for a cache that nothing uses: there are no timers.
//!
//! # Cooldown
//!
//! | failure | cooldown |
//! |---|---|
//! | any, with a wait | that wait, from 1 s to 24 h, plus up to a tenth and at most 30 s; from the second one on the own step at least |
//! | rate limited, rejected, malformed | 5 s doubling to 5 min, plus up to a half |
//! | unavailable, timeout | 0.5 s doubling to 30 s, plus up to a half |
//! | the fetch's own time limit | as a timeout, and [`fetch_timeout`](TokenCacheLayer::fetch_timeout) at least; a token that comes within six of them is kept |
//!
//! A rate limit holds for all keys of the same client ([`TokenKey::with_client`]; keys without one are of one client), for an hour at
//! most. An outage does when two keys in a row have met it, and so does a rejected client and a response without a token. When such a
//! cooldown ends, one fetch goes first. A source that calls another server for each key must name it in the key.
//!
//! A success starts over. A cooldown never takes away a usable token. It ends by time, or at once when rejected credentials are
//! replaced ([`TokenError::outdated_when`]); only [`force_refresh`](TokenCacheHandle::force_refresh) overrides it.
//!
//! # When the API responds 401
//!
//! A 401 means that *this token* was rejected, unless its challenge says `insufficient_scope`, `invalid_request` or asks for a
//! step-up ([`BearerChallenge`](crate::headers::BearerChallenge)). A challenge of another scheme says nothing. A 403, 407, 422, 429 or
//! 5xx never means that, unless the endpoint [says so](TokenConfig::rejects_token). In this order:
//!
//! 1. If another token is there already, it is used.
//! 2. If the token was fetched early and the one before it has not expired, that one is used, and the new one tried again later: the
//!    API may not know the issuer's new keys yet.
//! 3. If the token is young, less than five seconds old or a tenth of a shorter lifetime, it is sent again after a pause, up to five
//!    times: the API may not know it yet.
//! 4. Else all the 401s for one token begin one fetch, and the request is sent once more with what that brings.
//!
//! In a [`Stack`](crate::Stack), steps 2 and 3 apply until a server has accepted the token; after that a 401 goes straight to step 4.
//!
//! Each time the request has one more [`Attempt`](crate::extensions::Attempt). A request whose body cannot be sent twice, or that
//! carries [`NoRetry`](crate::extensions::NoRetry), is not sent again; its 401 still starts the fetch for the next requests, unless
//! the token is young. If no other token is available, the caller gets the 401, and the token stays in
//! use until another one replaces it. A key's 401s begin two fetches at least ten seconds apart, then one every five minutes.
//!
//! An endpoint that rejects the next token as well is at fault itself: for a minute, doubling to an hour, its 401s begin no fetch, and
//! those of other endpoints do. After three keys in a row this holds for all keys, for 30 s doubling to five minutes.
//!
//! # Where the token may go
//!
//! Only to the origins that are named. A URL may come from outside (a `next` link, a redirect that a layer outside follows), so
//! the layer must know which servers may see the token:
//! [`allow_origin`](TokenCacheLayer::allow_origin). **Until one is named, every request fails** with
//! [`OriginNotAllowed`](crate::ErrorKind::OriginNotAllowed). With
//! [`elsewhere_without_token`](TokenCacheLayer::elsewhere_without_token) a request to another origin goes out without the token, for an
//! API that redirects to presigned storage. A program that builds all URLs itself can use
//! [`allow_any_https_origin`](TokenCacheLayer::allow_any_https_origin). A request whose URI is a path alone, for
//! `hyper::client::conn`, names no server and fails as well. Plain http is for loopback, or for an
//! [`AllowedOrigin::clear_text`].
//!
//! # The token endpoint's own client
//!
//! ```text
//! calls ──► TokenCacheLayer ─────────────────────────────────────────────► the API
//!                 │  one fetch for all of them, 10 s (fetch_timeout)
//!                 ▼
//!           the source ──► its own client: a time limit, no retries ──► the token endpoint
//! ```
//!
//! * **It has its own time limit**: a fetch goes on when its callers have left, so their deadlines do not end it.
//!   [`fetch_timeout`](TokenCacheLayer::fetch_timeout) is the last resort; `ClientCredentials` has a `timeout` for head and body
//!   of the response.
//! * **It does not retry**, least of all a 429: a wait inside would block all callers without a token for as long as the issuer
//!   says, which may be a day. As an error of the source, the 429 begins a cooldown instead.
//! * **It follows no redirects**, which would carry the secret elsewhere, and does not go through this layer.
//!
//! It may share its connections, and a concurrency limit, with the client of the API: see *Readiness*.
//!
//! # Your own source
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::{BodyExt, Full, Limited};
//! use serde::Deserialize;
//! use tower::{Layer, ServiceExt, service_fn};
//! # use std::convert::Infallible;
//! use tower_heed::{
//!     BoxError, ErrorClassifyLayer, TokenCacheLayer, clock::Clock,
//!     error::{TokenError, TokenErrorKind},
//!     token_cache::{Token, TokenRequest},
//! };
//!
//! #[derive(Deserialize)]
//! struct Document {
//!     token: String,
//!     expires_on: u64, // seconds since 1970
//! }
//!
//! fn token(document: &[u8], clock: &Clock) -> Result<Token, TokenError> {
//!     let malformed = |_| TokenError::new(TokenErrorKind::Malformed);
//!     let document: Document = serde_json::from_slice(document).map_err(malformed)?;
//!     let end = SystemTime::UNIX_EPOCH + Duration::from_secs(document.expires_on);
//!     // `Token` takes a lifetime. A token that has expired is a failure, with a short cooldown.
//!     let lifetime = end.duration_since(clock.system_time()).map_err(|_| TokenError::new(TokenErrorKind::Unavailable))?;
//!     Ok(Token::bearer(document.token)?.expires_in(lifetime))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! // Stands for the metadata endpoint.
//! let http = service_fn(async |_: Request<Full<Bytes>>| {
//!     Ok::<_, Infallible>(http::Response::new(Full::<Bytes>::from(r#"{"token":"t1","expires_on":9999999999}"#)))
//! });
//! let clock = Clock::default();
//! // A failing response becomes an error, and `?` gives it the kind, the status and the wait: a 429 begins a cooldown of its
//! // `Retry-After`, a 503 a short one, a 404 a long one.
//! let http = ErrorClassifyLayer::new().error_for_status().layer(http);
//! let source = service_fn(move |_: TokenRequest| {
//!     let (http, clock) = (http.clone(), clock.clone());
//!     async move {
//!         let request = Request::get("http://169.254.169.254/token").header("metadata", "true").body(Full::default())?;
//!         let response = http.oneshot(request).await?;
//!         let document = Limited::new(response.into_body(), 64 * 1024).collect().await?.to_bytes();
//!         Ok::<_, BoxError>(token(&document, &clock)?)
//!     }
//! });
//! let cache = TokenCacheLayer::new(source);
//! assert_eq!(cache.handle().token(cache.handle().key()).await?.header_value(), "Bearer t1");
//! # Ok(())
//! # }
//! ```
//!
//! * It returns a [`Token`], or an error whose [`TokenErrorKind`](crate::error::TokenErrorKind) decides the cooldown: its own
//!   [`TokenError`], or any other error, which is classified as a client's is ([`TokenError::of_source`]).
//! * **After [`FetchReason::Rejected`] it must not return the same token**: the cache cannot know a better one, so each call would be
//!   sent and get its 401. A source that reads a file which nobody has replaced returns
//!   `TokenError::new(TokenErrorKind::Rejected)`: the token stays in use, and the file is read again after the cooldown.
//! * A token without [`expires_in`](Token::expires_in) lives for [`default_lifetime`](TokenCacheLayer::default_lifetime), and one
//!   [`without_expiry`](Token::without_expiry) until it is rejected.
//! * One source serves all keys: [`TokenRequest::key`] says for which one a token is fetched.
//!
//! # A fleet
//!
//! Each process has a token of its own. With the feature `shared`, `Shared` around the source has one fetched for all of them, through
//! Redis or Memcached.
//!
//! The metric `tower_heed_shared_tokens_total` counts its fetches: those whose token another process had fetched (`taken`), those that
//! called the source for all (`led`) or for this process (`alone`, as the store did not reply or another process took too long;
//! `not_ours`, as the record is of another version or key), those in the `cooldown` of another process, and those that `kept` a
//! rejected token, as the budget is spent. A record that does not open counts as `broken` besides.
//!
//! # Defaults
//!
//! | setting | default | when it is reached |
//! |---|---|---|
//! | [`fetch_timeout`](TokenCacheLayer::fetch_timeout) | 10 s | the fetch fails as `Timeout` |
//! | [`max_wait`](TokenCacheLayer::max_wait) | 15 s for all waits of a call, or its [`Deadline`](crate::extensions::Deadline) | the caller gets a `Timeout`, or the 401 that it had; the fetch goes on |
//! | [`grace_wait`](TokenCacheLayer::grace_wait) | 1 s | the caller goes on with the old token |
//! | [`default_lifetime`](TokenCacheLayer::default_lifetime) | 5 min | |
//! | [`max_lifetime`](TokenCacheLayer::max_lifetime) | 30 days | a longer lifetime is cut |
//! | [`refresh_buffer`](TokenCacheLayer::refresh_buffer) | a share of the lifetime | cut to two fifths of the lifetime |
//! | [`max_keys`](TokenCacheLayer::max_keys) | 10,000 besides those that services and endpoints name | an idle one is evicted, or else one by chance; its cooldown is remembered |
//!
//! # Cost
//!
//! With a fresh token: no lock; one clone of the prepared header value; the `Authorization` entry, which may make the header
//! map grow; and for the replay a clone of the inner service and a copy of the request (three allocations, and one for each
//! part that was never cloned before, as with every clone of a request). Until a server has accepted a new token, and where
//! [`rejects_token`](TokenConfig::rejects_token) is set, a request costs one allocation more. The copy is saved by
//! [`leave_replay_to_retry`](TokenCacheLayer::leave_replay_to_retry), for stacks in which
//! [`RetryOnRateLimit`](crate::RetryOnRateLimit) outside holds one anyway, and by [`StaticToken`]. A call that waits
//! allocates. A [`TokenScope`] also costs a lookup by its key.
//!
//! # Readiness
//!
//! `poll_ready` is the inner service's. A call that has a token uses the instance that was made ready. A call that must wait
//! releases it, with whatever it holds, and makes a clone ready when the token is there: a concurrency limit of one that the API
//! client and the token client share does not deadlock. Before the request is sent again a clone is made ready as well. It has
//! until the deadline, and 90 seconds at most for all such waits; then the call fails with
//! [`Timeout`](crate::ErrorKind::Timeout), of the class `Throttled` if the request was never sent.
//!
//! # Cancellation
//!
//! Dropping a call drops its attempt, or its wait. The fetch goes on, and its token is kept. A source that panics fails the fetch.
//! If the runtime that carries a fetch shuts down, waiters on another runtime begin a new one.
//!
//! # Cloning
//!
//! Clones of the layer, its services, their clones and its handles share one cache, in which each key has its own token.
//!
//! # Ordering
//!
//! Inside [`RetryOnRateLimit`](crate::RetryOnRateLimit), so that each attempt gets a token that is valid then: outside of it, a long
//! wait may outlast the token. Inside [`ErrorClassifyLayer`](crate::ErrorClassifyLayer), which then treats a 401 that another token
//! resolves as no sign-out, and classifies a missing token by its cause.
//!
//! Inside whatever follows redirects, such as tower-http's `FollowRedirect`: each hop is then checked against the allowed origins.
//! Outside of it, the token goes along with every hop unless the redirect policy removes it.
//!
//! # Errors
//!
//! * [`TokenUnavailable`](crate::ErrorKind::TokenUnavailable), whose source is a [`TokenError`]: the kind of failure, the issuer's
//!   status and OAuth `error` code, and how long the cooldown lasts.
//! * [`OriginNotAllowed`](crate::ErrorKind::OriginNotAllowed), if the token is not for the server of the request.
//! * The inner service's errors, unchanged.
//!
//! None of them, no `Debug` and no event shows a token or a secret. A token's bytes are wiped when the last copy is dropped.
//!
//! # Events
//!
//! At changes of state only, with the target `tower_heed::token_cache`:
//!
//! | level | message | fields |
//! |---|---|---|
//! | `DEBUG` | `token obtained` | `generation`, `reason`, `lifetime_ms` |
//! | `INFO` | `token rejected, fetching another` | `generation` |
//! | `INFO` | `token refresh forced` | `cooldown_ms`, the rest of the cooldown |
//! | `INFO` | `token invalidated` | |
//! | `WARN` | `no token, in cooldown` | `kind`, `status`, `code`, `reason`, `cooldown_ms`, `cause` |
//! | `WARN` | `the token endpoint has not responded yet`, after 3 s | `reason` |
//! | `WARN` | `too many keys: a token that is still good was evicted`, once a minute at most | `max_keys`, `evicted` (since the last one); neither audience nor organization |
//!
//! Each also has the key's `audience` and `organization`, if it has them, and the name of a [named](TokenCacheLayer::name) layer as
//! `stack`.

mod allowed_origin;
mod cache;
mod cached;
mod charges;
mod config;
mod error;
mod eviction;
mod fetch;
mod freshness;
mod future;
mod gate;
mod handle;
mod layer;
mod lookup;
mod loom_sync;
#[cfg(all(test, tower_heed_loom))]
mod model;
mod pending;
mod protection;
mod rejection;
mod rejection_limit;
mod request;
mod service;
#[cfg(feature = "shared")]
mod shared;
mod slot;
mod slots;
mod spare;
mod static_token;
pub(crate) mod token;
mod token_snapshot;
mod wait;
mod watch;
#[cfg(test)]
mod week;

pub use crate::extensions::{token_key::TokenKey, token_scope::TokenScope};
pub use allowed_origin::AllowedOrigin;
pub use config::TokenConfig;
pub use freshness::TokenState;
pub use future::ResponseFuture;
pub use handle::TokenCacheHandle;
pub use layer::TokenCacheLayer;
pub use request::{FetchReason, TokenRequest};
pub use service::TokenCache;
#[cfg(feature = "shared")]
#[cfg_attr(docsrs, doc(cfg(feature = "shared")))]
pub use shared::Shared;
pub use static_token::StaticToken;
pub use token::Token;
pub use token_snapshot::TokenSnapshot;

use crate::error::TokenError;
use freshness::{Freshness, TimePair};
