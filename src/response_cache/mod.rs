//! Keeps the responses of chosen `GET`s: one request for all who want the same, and an answer while the server is out.
//!
//! Use it for what is read much more often than it changes and is asked for in every login: user profiles, roles, organizations,
//! key sets. Do not use it for what has to be true at this moment, such as whether a token was revoked, nor as a cache that all
//! requests go through: only the endpoints that are named are kept, each for as long as was said for it.
//!
//! # Example
//!
//! ```
//! use std::{sync::{Arc, atomic::{AtomicU32, Ordering}}, time::Duration};
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_heed::{BoxError, ResponseCacheLayer, classify::ErrorClass, response_cache::Stale};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! // Gives the user's profile once, and then refuses.
//! let sent = Arc::new(AtomicU32::new(0));
//! let api = service_fn(move |_: Request<Full<Bytes>>| {
//!     let status = if sent.fetch_add(1, Ordering::Relaxed) == 0 { 200 } else { 429 };
//!     async move { Ok::<_, BoxError>(Response::builder().status(status).body(Full::<Bytes>::default())?) }
//! });
//! let cache = ResponseCacheLayer::new()
//!     .endpoint("GET /api/v2/users/{id}", |config| config.ttl(Duration::from_secs(300)))?;
//! let handle = cache.handle();
//! let client = ServiceBuilder::new().layer(cache).service(api);
//!
//! let profile = || Request::get("https://id.example/api/v2/users/auth0%7C1").body(Full::default());
//! client.clone().oneshot(profile()?).await?;
//! let fresh = client.clone().oneshot(profile()?).await?;
//! assert_eq!(fresh.headers()["age"], "0");
//!
//! // Five minutes later the server is asked and refuses.
//! tokio::time::advance(Duration::from_secs(300)).await;
//! let response = client.clone().oneshot(profile()?).await?;
//! assert_eq!(response.status(), 200);
//! assert_eq!(response.extensions().get::<Stale>().unwrap().class(), ErrorClass::RateLimited);
//!
//! // Whoever knows that the user has changed says so.
//! handle.invalidate("id", "auth0|1");
//! assert_eq!(client.oneshot(profile()?).await?.status(), 429);
//! # Ok(())
//! # }
//! ```
//!
//! # Whose response it is
//!
//! A response is for requests that have the same **method** (`GET`), the same **URI** with its query, the same **credential**,
//! and the same values in the **fields that were chosen** ([`Config::header`]) and that the response's own `Vary` names. The
//! credential is, by default,
//!
//! * every header field whose name says that it may tell who asks: `authorization`, `cookie`, and all that has `assertion`, `auth`,
//!   `bearer`, `cert`, `credential`, `hmac`, `identity`, `impersonat`, `jwt`, `key`, `login`, `oidc`, `pass`, `principal`, `pwd`,
//!   `saml`, `secret`, `session`, `signature`, `sudo`, `ticket`, `token` or `user` in it, but for `user-agent` and
//!   `idempotency-key`; and every value that is marked [sensitive](http::HeaderValue::set_sensitive);
//! * the user and password in the URI;
//! * the [`TokenScope`](crate::token_cache::TokenScope) that says which token a layer inside will attach.
//!
//! [`credential`](ResponseCacheLayer::credential) puts a function in the place of the fields: it is needed where they are others in
//! each request (a signature, a token for one use), which would find nothing. Requests without any share: those that a layer
//! inside gives the one token of this machine. **A tenant or a user that only some other field tells** (`x-tenant`) **has to be
//! chosen**, or named in the server's `Vary`. Of responses that vary, the last one is kept; by a field that was chosen, each.
//!
//! The body of a `GET` does not count: it has no meaning
//! ([RFC 9110 section 9.3.1](https://www.rfc-editor.org/rfc/rfc9110#section-9.3.1)). Do not name an endpoint that reads one.
//!
//! All of that is hashed to 128 bits by SipHash-2-4 with a random key of this cache, and nothing else of it is kept: no credential
//! is in memory for longer than its request. That two requests are taken for one is as likely as to guess a key of 128 bits, and
//! nobody can look for such a pair without it.
//!
//! # What is kept
//!
//! [RFC 9111](https://www.rfc-editor.org/rfc/rfc9111) is obeyed as by a private cache of one credential; `private`, `s-maxage`
//! and section 3.5, which are about caches that users share, do not come into it. What the server says shortens what was
//! configured and never lengthens it.
//!
//! | the response | |
//! |---|---|
//! | has another status than 200, 203 or 204 | is not kept |
//! | says `no-store` or `no-cache`, or is stale when it comes | is not kept, unless [`override_no_store`](Config::override_no_store) |
//! | sets a cookie | is not kept, unless [`strip_set_cookie`](Config::strip_set_cookie) |
//! | is [`Degraded`](crate::extensions::Degraded), made in the server's place by a layer inside | is not kept, as the failure that it stands for is not |
//! | varies by `*` or by what cannot be read | is not kept |
//! | is longer than [`max_body_bytes`](Config::max_body_bytes), breaks off, or has another length than it says | is not kept |
//! | says `max-age` or `Expires` | is fresh until then (less its `Age`), and no longer than its [`ttl`](Config::ttl) |
//! | says `must-revalidate` | is not served stale |
//! | says `stale-if-error` | is served stale for that, and no longer than [`stale_for`](Config::stale_for) |
//!
//! | the request | |
//! |---|---|
//! | says `no-cache` or `max-age=0` | is sent, and the next get what it brings |
//! | says `max-age` or `min-fresh` | gets nothing older, or that is fresh for less, or that is stale |
//! | says `only-if-cached` | gets what can be served without asking the server, or 504; it is never sent |
//! | says `no-store`, or asks for a range, or has a condition (`If-None-Match`) | passes |
//! | is made outside of a tokio runtime, and nothing is kept for it | passes |
//!
//! Responses out of the cache say their `Age`. They carry the fields that the server sent, less those of the connection, and no
//! extension but [`Stale`]. There is no heuristic freshness, and nothing is validated by `ETag`: with a time to live that
//! somebody has chosen, both add little. That is why `http-cache-semantics`, which is a full reading of the RFC, is not used
//! here: what it decides by itself is what is to be configured here, and it keeps a copy of both messages' heads for it.
//!
//! # One request for all
//!
//! ```text
//! first who asks ──► flight, on a task of its own ──────────► response: kept, and given to all who wait
//! others ──────────► wait for it ──────────────────────────►  failure:  given to all who wait, kept for nobody
//!                                                             not to be kept: the first has it; the others send theirs
//! ```
//!
//! The failure of a flight is shared as well: ten thousand who wait for a server that is out make one request, and not ten
//! thousand one after the other. Only of a failing answer whose body is longer than 256 KiB (and than `max_body_bytes`) each of
//! them gets its own: it would have to be held in memory first, and whoever sends such is not to be trusted with that. After a
//! response that is not to be kept, requests pass for a minute, or for the time to live if that is shorter, without waiting for
//! one another.
//!
//! A flight has the deadline of the call that began it, so that the layers inside do not begin a wait that would pass it, and at
//! most [`fetch_timeout`](ResponseCacheLayer::fetch_timeout). If it fails and some who waited have more time, one of them begins
//! another, once. So does one of them if the runtime that carries the flight is gone, or drives it no more and the limit passed a
//! second ago. A flight that refreshes what can be served stale has `fetch_timeout`, whatever the calls have.
//!
//! # While the server refuses or is out
//!
//! A response past its time to live is served, marked [`Stale`], for as long as `stale_for` if its refresh ends as
//! `RateLimited`, `Throttled`, `Unavailable`, `Timeout`, `Connect`, `Interrupted` or `TokenUnavailable`
//! ([`AfterFailure`](crate::response_cache::AfterFailure)), or takes longer than [`stale_wait`](Config::stale_wait). After such a failure
//! the server is left alone for this response, for as long as it said or else for longer each time
//! ([`TokenErrorKind`](crate::error::TokenErrorKind)), and readers get the stale one at once. Any other failure is how things are now: a 401,
//! 403, 404 or 410 is passed on, and what was kept for that request is forgotten. An error of unknown meaning is passed on.
//!
//! # What is invalidated
//!
//! * A `POST`, `PATCH`, `PUT`, `DELETE` or any other method that is not safe, if it succeeded, invalidates what is kept of **its own
//!   path** ([RFC 9111 section 4.4](https://www.rfc-editor.org/rfc/rfc9111#section-4.4)), for every credential and every query. If
//!   its outcome is not known (5xx, a time-out, a broken connection, a dropped call), what is kept is not fresh any more, and
//!   still there if the server is out. What a write changes under other paths (`/users/{id}` and `/users/{id}/roles`) is for
//!   the handle.
//! * [`ResponseCacheHandle`] does the same by a parameter of the pattern, by URI, and all.
//!
//! A flight that was on its way then brings what was true before: it is for those who had joined it, and is not kept. Paths are
//! compared without their percent-encoding, and as they are else. Writes by others, past this layer, are not seen.
//!
//! A write counts from the moment its answer comes: until then what is kept is served, and what was read meanwhile goes with it.
//! What a server does only after it has answered (202, a replica that lags), or after the call has given up, no cache can see:
//! what is read in between may be of before the write, and is kept for its time to live. The handle can say when it is done.
//!
//! # Defaults
//!
//! | setting | default | at the limit |
//! |---|---|---|
//! | [`with_max_bytes`](ResponseCacheLayer::with_max_bytes) | [64 MiB](ResponseCacheLayer::DEFAULT_MAX_BYTES) | what was used least makes room |
//! | [`ttl`](Config::ttl) | none: it has to be given | the server is asked |
//! | [`stale_for`](Config::stale_for) | [10 min](ResponseCacheLayer::DEFAULT_STALE_FOR) | the failure is passed on |
//! | [`stale_wait`](Config::stale_wait) | [1 s](ResponseCacheLayer::DEFAULT_STALE_WAIT), or half of what is left until the deadline | the stale one is served, the request goes on |
//! | [`max_body_bytes`](Config::max_body_bytes) | [256 KiB](ResponseCacheLayer::DEFAULT_MAX_BODY_BYTES) | it is passed on as it comes |
//! | [`fetch_timeout`](ResponseCacheLayer::fetch_timeout) | [30 s](ResponseCacheLayer::DEFAULT_FETCH_TIMEOUT), or the deadline of who began it | the flight fails as `Timeout` |
//! | [`credential`](ResponseCacheLayer::credential) | the fields that may carry one | |
//! | [`header`](ResponseCacheLayer::header) | none | |
//! | [`classifier`](ResponseCacheLayer::classifier) | [`Preset::Standard`](crate::classify::Preset::Standard) | |
//! | [`clock`](ResponseCacheLayer::clock) | the machine's | |
//!
//! # Cost
//!
//! What passes costs no allocation; a write to a path that is named, a hash of that path. A hit costs a hash of the key, a look-up
//! in [`moka`](https://docs.rs/moka)'s concurrent map, and up to five allocations, for the header map. A flight is a task. What is
//! kept is copied into one piece of memory, so that it keeps no buffer of a connection alive, and weighed with its header fields
//! and the books about it; at the end of each flight the bound holds. Besides it there are up to 8 bytes for each KiB of it, which
//! are taken off it, and what is on its way. There are no threads and no timers.
//!
//! # Readiness
//!
//! `poll_ready` is the inner service's: which requests are answered from the cache is not known before the call. A call that is
//! sent uses the readied instance. One that is answered or waits lets it go, with whatever it holds, and makes a clone ready if it
//! has to send after all.
//!
//! # Cancellation
//!
//! Dropping a call that passes drops the inner one. Dropping one that waits for a flight ends the waiting; the flight goes on, also
//! if nobody waits or the call was never polled, and its response is kept. A client that panics fails the flight. A write that is dropped counts as one
//! of unknown outcome.
//!
//! # Cloning
//!
//! Clones of the layer, its services, their clones and its handles share one cache. Have a layer for each client: what two of them
//! send inside is not known here. A setter changes one layer and none of its clones.
//!
//! # Ordering
//!
//! * Outside of [`RetryOnRateLimit`](crate::RetryOnRateLimit), [`ThrottleLayer`](crate::ThrottleLayer) and
//!   [`TokenCacheLayer`](crate::TokenCacheLayer): a hit needs none of them, and a flight is retried, held back and given its
//!   token once for all. Inside of the token layer each new token would be another credential.
//! * Outside of [`ErrorClassifyLayer`](crate::ErrorClassifyLayer), which brings the meaning of a failure and sees each real answer.
//! * Inside of the call's [`TimeoutLayer`](crate::TimeoutLayer), which bounds the waiting as well. The deadline of a call that waits
//!   ends that call, not the flight; the phase of its error is `Headers`.
//! * Inside of anything that makes errors of failing answers for its own sake. Rate-limit fields of a response that was kept are
//!   old: have no layer outside that reads them.
//!
//! A flight runs on a task of its own, in the span of the call that began it. It carries the extensions of that request.
//!
//! # Errors
//!
//! * [`FetchFailed`], shared by all who waited for a flight that brought no response. Its source is the inner service's error, or
//!   [`Elapsed`](crate::timeout::Elapsed), and its class is that of the source.
//! * [`Elapsed`](crate::timeout::Elapsed), if the [`Deadline`](crate::extensions::Deadline) that the request brings passes while it waits.
//! * The inner service's errors, unchanged, of what passes. The error of a [`CacheBody`] is the inner body's.
//!
//! # Panics
//!
//! A call panics if the inner service's `call` or the `credential` function does, and where it is made in a tokio runtime
//! that has no timers.
//!
//! # Events
//!
//! With the target `tower_heed::response_cache`; none has a path, a user or a credential in it:
//!
//! | level | message | fields |
//! |---|---|---|
//! | `DEBUG` | `response kept` | `endpoint`, `bytes`, `fresh_for` |
//! | `DEBUG` | `response not kept` | `endpoint`, `reason` |
//! | `DEBUG` | `a write has invalidated its resource` | `endpoint` |
//! | `INFO` | `responses invalidated` | `what`: `parameter`, `uri` or `all` |
//! | `INFO` | `the server answers again` | `endpoint` |
//! | `WARN` | `serving stale responses`, at the first since it answered | `endpoint`, `class` |
//! | `WARN` | `the server does not have its responses kept: each request is sent`, once for each endpoint | `endpoint`, `reason` |

// Where a request goes:
//
//   service    asked (what it asks for), key and credential (whose it is); write, if it may change something
//   boarding   answered at once, or waits for a flight, or begins one; store, kept, memory, variant, hold: what is there
//   flight     the one request for all: read (its body), outcome, landing (where that is waited for), flights (all of them)
//   caller     one who waits
//
// What is invalidated: generations. What users hold: layer, config, handle, counts, body, future, stale, error.

mod after_failure;
mod request;
mod lookup;
mod body;
mod cache_control;
mod waiter;
mod config;
mod snapshot;
mod credential;
mod error;
mod events;
mod fetch;
mod in_flight;
mod future;
mod generations;
mod handle;
mod hold;
mod keep_rules;
mod stored;
mod key;
mod landing;
mod layer;
mod memory;
mod not_kept;
mod outcome;
mod read;
mod shared;
mod service;
mod store_policy;
mod stale;
mod store;
mod variant;
mod write;

pub use after_failure::AfterFailure;
pub use body::CacheBody;
pub use cache_control::{CacheControl, age};
pub use config::Config;
pub use snapshot::Snapshot;
pub use error::FetchFailed;
pub use future::ResponseFuture;
pub use handle::ResponseCacheHandle;
pub use keep_rules::KeepRules;
pub use layer::ResponseCacheLayer;
pub use not_kept::NotKept;
pub use service::ResponseCache;
pub use store_policy::{ShelfLife, ShelfState};
pub use stale::Stale;
