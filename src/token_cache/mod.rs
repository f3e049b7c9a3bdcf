//! A bearer token, fetched once, refreshed in time and attached to each request.
//!
//! Use it for APIs that are called with a machine's token: Auth0's Management API, Okta, Keycloak, Entra, a Clerk secret key, your
//! own services. Do not use it to pass on the tokens of your users: those belong to the request that brought them, and a request
//! that carries an `Authorization` of its own goes through as it is.
//!
//! A token comes from a *source*, which is a [`Service`](tower_service::Service) from [`TokenRequest`] to [`Token`]:
//! `ClientCredentials`, [`StaticToken`], or any closure by [`tower::service_fn`]. The layer asks it for one token at a time, whoever
//! waits, and leaves it alone for a while after a failure.
//!
//! # Example
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//! use bytes::Bytes;
//! use http::{Request, Response, header::AUTHORIZATION};
//! use http_body_util::Empty;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_heed::{TokenCacheLayer, token_cache::{Token, TokenError, TokenRequest}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_heed::BoxError> {
//! let source = service_fn(|_: TokenRequest| async {
//!     // In earnest: `ClientCredentials`, or a call of your own.
//!     Ok::<_, TokenError>(Token::bearer("eyJhbGciOi")?.expires_in(Duration::from_secs(86_400)))
//! });
//! let api = service_fn(|request: Request<Empty<Bytes>>| async move {
//!     Ok::<_, Infallible>(Response::new(request.headers()[AUTHORIZATION].clone()))
//! });
//! let client = ServiceBuilder::new()
//!     .layer(TokenCacheLayer::new(source).allow_origin("https://tenant.eu.auth0.com")?)
//!     .service(api);
//!
//! let request = Request::get("https://tenant.eu.auth0.com/api/v2/users").body(Empty::new())?;
//! let answer = client.oneshot(request).await?;
//! assert_eq!(answer.body(), "Bearer eyJhbGciOi");
//! # Ok(())
//! # }
//! ```
//!
//! # Several keys
//!
//! Requests of one service can carry different tokens: another audience for some endpoints, another organization for some
//! requests. What tells tokens apart is the [`TokenKey`]; which one a request gets is said by, in this order,
//!
//! 1. the [`TokenScope`] in its extensions, for keys that are known when the request is made;
//! 2. its endpoint's [`Config::key`];
//! 3. the layer's [`key`](TokenCacheLayer::key), which has no parts by default: the source gives its own token.
//!
//! Each key has a slot of its own, so that a stalled issuer, a hold-off or a rejection of one is not felt by another. The source is
//! cloned for each flight. The slots of keys that only requests name are bounded: [`max_keys`](TokenCacheLayer::max_keys).
//!
//! To get a token without a request, to fetch some before the first request, to forget one, or to see their states, there is
//! the [`handle`](TokenCacheLayer::handle).
//!
//! # A token's life
//!
//! ```text
//! asked for                                                                            end of its life
//! │ obtained                                 refresh_at             soft_end            │
//! ├──┼──────────────────────────────────────────┼──────────────────────┼────────────────┼───────────►
//! │  │                 Fresh                    │      RefreshDue      │     Grace      │  Expired
//! │  │          the token, at once              │  the token, at once; │ the next one,  │  the next one;
//! │  │                                          │  a flight behind it  │ or after 1 s   │  this one is
//! │  │                                          │                      │ this one       │  never sent
//!
//! one hour:                               50:30 … 53:30              59:30            60:00
//! one day:                             22:49:30 … 22:59:30        23:59:30         24:00:00
//! ```
//!
//! Its age is counted from *before* it was asked for, and is the larger of what the monotonic and the wall clock say: a laptop that
//! slept has aged its tokens, and a clock set back makes none young. The formulas are at
//! [`Freshness::new`](crate::token_cache::Freshness::new).
//!
//! | state | when | the caller gets | flight |
//! |---|---|---|---|
//! | Empty | no token | waits for the flight | begins one, unless held off |
//! | Fresh | before `refresh_at` | the token at once | none |
//! | RefreshDue | up to `soft_end` | the token at once | one in the background, unless held off |
//! | Grace | up to its end | waits up to 1 s, then the old token | as Empty |
//! | Expired | past its end | waits; a dead token is never sent | as Empty |
//! | held off, token usable | after a failure | the token at once | none before the hold-off ends |
//! | held off, no token | after a failure | [`TokenError`] with `retry_after` at once, nothing is sent | exactly one when it ends |
//!
//! Every hold-off ends by time, and one after rejected credentials at once when those are replaced
//! ([`TokenError::outdated_when`]). [`force_refresh`](TokenCacheHandle::force_refresh) alone overrides one; those without a token
//! join its flight.
//!
//! A *flight* is one request to the source. It runs on a task of its own, so no caller's end is its end, and all who wait for it get
//! what it gets, the failure too. Nothing is fetched for a cache that nobody uses: there are no timers. How long a source that
//! failed is left alone is said at [`TokenErrorKind`](crate::error::TokenErrorKind); a hold-off never takes a usable token away.
//!
//! # When the API answers 401
//!
//! A 401 means that *this token* was rejected, unless its challenge says something else
//! ([`BearerChallenge`](crate::headers::BearerChallenge)). 403, 407, 422, 429 and 5xx never do. If another token is there already, it
//! is used; else all the 401s for one token begin one flight. The request is then sent once more, with an
//! [`Attempt`](crate::extensions::Attempt), never a third time, unless its body cannot be sent twice or it carries
//! [`NoRetry`](crate::extensions::NoRetry). If no other token can be had, the caller gets the 401, and the token goes on being used
//! until a success replaces it. An API that answers 401 to everything costs a bounded number of token calls: [`RejectionLimit`].
//!
//! # Where the token may go
//!
//! To the origins that are named, and nowhere else. The layer attaches a token to whatever passes, also to an address that came from
//! outside (a `next` link, a redirect that a layer outside follows), so it asks which servers may see it:
//! [`allow_origin`](TokenCacheLayer::allow_origin). **Until one is named, every request fails** with [`OriginRefused`], which says
//! so; a default that allowed all would be one line shorter and leak the token with the first bad link. Who builds all addresses
//! alone can say [`allow_any_https_origin`](TokenCacheLayer::allow_any_https_origin). A request whose address is a path alone, for
//! `hyper::client::conn`, names no server and is refused as well. Clear text is for loopback, or by a setter whose name says so.
//!
//! # The token endpoint's own client
//!
//! ```text
//! calls ──► TokenCacheLayer ─────────────────────────────────────────────► the API
//!                 │  one flight for all of them, 10 s (fetch_timeout)
//!                 ▼
//!           the source ──► its own client: a time limit, no retries ──► the token endpoint
//! ```
//!
//! * It has **a time limit of its own**: a flight goes on when its callers have left, so theirs do not end it.
//!   [`fetch_timeout`](TokenCacheLayer::fetch_timeout) is the last resort; `ClientCredentials` has its own
//!   `timeout` over head and body of the answer.
//! * It **does not retry**, a 429 least of all. A wait in there holds all callers that have no token for as long as the issuer
//!   says, which may be a day, and keeps those in `Grace` waiting that have one; and each further send counts against the limit
//!   that was hit. As an error of the source the 429 is a hold-off instead: the token at hand goes on being used, callers
//!   without one learn at once how long nobody asks, and one flight begins when the time has passed.
//! * It follows **no redirects**, which would carry the secret elsewhere, and does not go through this layer.
//!
//! It may share its connections, and a concurrency limit, with the client of the API: see *Readiness*.
//!
//! # Defaults
//!
//! | setting | default | at the limit |
//! |---|---|---|
//! | [`fetch_timeout`](TokenCacheLayer::fetch_timeout) | 10 s | the flight fails as `Timeout` |
//! | [`max_wait`](TokenCacheLayer::max_wait) | 15 s for all waits of a call, or its [`Deadline`](crate::extensions::Deadline) | the caller gets a `Timeout`, or the 401 that it had; the flight goes on |
//! | [`grace_wait`](TokenCacheLayer::grace_wait) | 1 s | the caller goes on with the old token |
//! | [`default_life`](TokenCacheLayer::default_life) | 5 min | a life of less than a second is malformed |
//! | [`max_life`](TokenCacheLayer::max_life) | 30 days | a longer life is cut |
//! | [`refresh_buffer`](TokenCacheLayer::refresh_buffer) | a share of the life | cut to two fifths of the life |
//! | [`max_keys`](TokenCacheLayer::max_keys) | 64 besides those that services and endpoints name | the least recently used is forgotten |
//! | [`rejection_limit`](TokenCacheLayer::rejection_limit) | 2, one more every 5 min, 10 s apart | the caller gets the 401 |
//!
//! # Cost
//!
//! With a fresh token at hand: no lock; one clone of the prepared header value; the `Authorization` entry, which may make the header
//! map grow; and for the replay a clone of the inner service and a copy of the request (three allocations, and one for each
//! part that nobody has cloned before, as with every clone of a request). The copy is saved by
//! [`leave_replay_to_retry`](TokenCacheLayer::leave_replay_to_retry), for stacks in which
//! [`RetryOnRateLimit`](crate::RetryOnRateLimit) outside holds one anyway, and by [`StaticToken`]. A call that waits
//! allocates. A [`TokenScope`] costs a look-up by its key as well.
//!
//! # Readiness
//!
//! `poll_ready` is the inner service's. A call that has a token uses that readied instance. A call that must wait lets it go, with
//! whatever it holds, and makes a clone ready when it has its token: a concurrency limit of one that the API client and the token
//! client share does not deadlock. Before the request is sent again a clone is made ready as well.
//!
//! # Cancellation
//!
//! Dropping a call drops its send, or its waiting. The flight goes on, and its token is kept. A source that panics fails the flight.
//! If the runtime that carries a flight goes, those who wait on another begin a new one.
//!
//! # Cloning
//!
//! Clones of the layer, its services, their clones and its handles share one cache, in which each key has a token of its own.
//!
//! # Ordering
//!
//! Inside [`RetryOnRateLimit`](crate::RetryOnRateLimit), so that each send gets a token that is valid then: outside of it, a long
//! wait may outlast the token. Inside [`ErrorClassifyLayer`](crate::ErrorClassifyLayer), to which a 401 that another token mends is
//! then no sign-out, and a token that cannot be had is what its cause is.
//!
//! Inside whatever follows redirects, tower-http's `FollowRedirect` among them: each hop is then asked whether the token may go
//! there. Outside of it the token goes along with every hop unless the policy of the redirects takes it away, and a 401 from
//! wherever that leads is taken for a rejection of the token.
//!
//! A 429 of the API causes no token call.
//!
//! # Errors
//!
//! * [`TokenError`], if no token can be had: with the kind of failure, the issuer's status and OAuth `error` code, and how long
//!   nobody asks again. To the other layers it is [`TokenUnavailable`](crate::classify::ErrorClass::TokenUnavailable), with its cause.
//! * [`OriginRefused`], if the token is not for the server that the request goes to.
//! * The inner service's errors, unchanged.
//!
//! None of them, no `Debug` and no event shows a token or a secret. A token's bytes are wiped when the last copy of it goes.
//!
//! # Events
//!
//! At changes of state only, with the target `tower_heed::token_cache`:
//!
//! | level | message | fields |
//! |---|---|---|
//! | `DEBUG` | `token obtained` | `generation`, `reason`, `life` |
//! | `INFO` | `token rejected, fetching another` | `generation` |
//! | `INFO` | `token refresh forced` | `hold_off`, the time that was left of one |
//! | `INFO` | `token forgotten` | |
//! | `WARN` | `no token, not asking again during the hold-off` | `failure`, `status`, `code`, `reason`, `hold_off` |
//!
//! All have the key's `audience` and `organization` besides, where it has them.

mod cache;
mod cached;
mod config;
mod fetch;
mod freshness;
mod future;
mod handle;
mod layer;
mod lookup;
mod loom_sync;
#[cfg(all(test, tower_heed_loom))]
mod model;
mod origin;
mod origin_refused;
mod pending;
mod rejection;
mod rejection_limit;
mod request;
mod service;
mod slot;
mod slots;
mod static_token;
pub(crate) mod token;
mod token_snapshot;
mod wait;
#[cfg(test)]
mod week;

pub use crate::{
    error::TokenError,
    extensions::{token_key::TokenKey, token_scope::TokenScope},
};
pub use config::Config;
pub use freshness::{Freshness, Moment, TokenState};
pub use future::ResponseFuture;
pub use handle::TokenCacheHandle;
pub use layer::TokenCacheLayer;
pub use origin_refused::OriginRefused;
pub use rejection_limit::RejectionLimit;
pub use request::{FetchReason, TokenRequest};
pub use service::TokenCache;
pub use static_token::StaticToken;
pub use token::Token;
pub use token_snapshot::KeySnapshot;
