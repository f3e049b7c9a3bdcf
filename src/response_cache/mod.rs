//! A cache for the responses of chosen `GET` endpoints: one fetch for concurrent requests, and stale responses while the server
//! is down.
//!
//! Use it for data that is read much more often than it changes and that every login needs: user profiles, roles, organizations,
//! key sets. Do not use it for data that must be true at this moment, such as whether a token was revoked, nor as a general
//! HTTP cache: only the endpoints that you name are cached, each for the time that you give.
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
//! // This server returns the user's profile once, and then 429.
//! let attempts = Arc::new(AtomicU32::new(0));
//! let api = service_fn(move |_: Request<Full<Bytes>>| {
//!     let status = if attempts.fetch_add(1, Ordering::Relaxed) == 0 { 200 } else { 429 };
//!     async move { Ok::<_, BoxError>(Response::builder().status(status).body(Full::<Bytes>::default())?) }
//! });
//! let cache = ResponseCacheLayer::new()
//!     .endpoint("GET /api/v2/users/{id}".parse()?, |config| config.ttl(Duration::from_secs(300)));
//! let handle = cache.handle();
//! let client = ServiceBuilder::new().layer(cache).service(api);
//!
//! let profile = || Request::get("https://id.example/api/v2/users/auth0%7C1").body(Full::default());
//! client.clone().oneshot(profile()?).await?;
//! let fresh = client.clone().oneshot(profile()?).await?;
//! assert_eq!(fresh.headers()["age"], "0");
//!
//! // Five minutes later the response is stale, and its refresh is rate limited.
//! tokio::time::advance(Duration::from_secs(300)).await;
//! let response = client.clone().oneshot(profile()?).await?;
//! assert_eq!(response.status(), 200);
//! assert_eq!(response.extensions().get::<Stale>().unwrap().class(), ErrorClass::RateLimited);
//!
//! // A webhook reports that the user has changed.
//! handle.invalidate("id", "auth0|1");
//! assert_eq!(client.oneshot(profile()?).await?.status(), 429);
//! # Ok(())
//! # }
//! ```
//!
//! # Which requests share a response
//!
//! Requests share a response if they are the same in **everything that the server can see**: the URI with its user, port and query,
//! every header field with all its values, and the [`TokenScope`](crate::token_cache::TokenScope) that selects the token of an inner
//! layer. A list of the fields that carry a credential would never be complete: one proxy names the user in `x-forwarded-email`,
//! another in `ssl-client-s-dn`. These fields alone do not count, as they can neither tell users apart nor change what is returned:
//!
//! * `user-agent`, `date`, `accept-encoding` (a response with a `Content-Encoding` is only for requests with the same one);
//! * the numbers of requests and traces: `x-request-id`, `request-id`, `x-correlation-id`, `correlation-id`, `idempotency-key`,
//!   `traceparent`, `tracestate`, `b3`, `x-b3-*`, `uber-trace-id`, `sentry-trace`, `grpc-trace-bin`, `x-cloud-trace-context`,
//!   `x-amzn-trace-id`, and `x-datadog-` with `trace-id`, `parent-id` or `sampling-priority`. Not `baggage`, which may carry a user;
//! * the connection's: `connection` unless it names other fields, `keep-alive`, `proxy-connection`, `te`;
//! * `cache-control` and `pragma: no-cache`, which this layer obeys.
//!
//! One of them counts if a value is marked [sensitive](http::HeaderValue::set_sensitive), if you
//! [choose](ResponseCacheConfig::header) it, or if the response's `Vary` names it; of responses that differ by `Vary`, only the last
//! is stored. The order of different fields does not count.
//!
//! **A field that differs in each request makes each request another one.** If the server does not look at it,
//! [`without_header`](ResponseCacheConfig::without_header) leaves it out. For credentials that change, such as a user's access token,
//! a function given to [`credential`](ResponseCacheLayer::credential) tells the user in place of `authorization`,
//! `proxy-authorization`, `cookie` and `dpop`.
//!
//! **The extensions of a request do not count**, except for `TokenScope`. If an inner layer of yours takes the user from one, let the
//! `credential` function do the same.
//!
//! A `GET` with a body passes through: it may be a search whose body is the query. So does one with `x-http-method-override`,
//! `x-http-method` or `x-method-override`, which counts as a [write](#invalidation).
//!
//! The lookup key is a SipHash-2-4 of 128 bits, with a random key for each cache, so that no credential is stored.
//!
//! # What is stored
//!
//! The layer follows [RFC 9111](https://www.rfc-editor.org/rfc/rfc9111) as a private cache: each user's responses are apart, as
//! `private` demands. `s-maxage` and section 3.5 are about shared caches and do not apply. The server's directives shorten the
//! configured times; the only one that lengthens a time is `stale-while-revalidate`, up to `stale_for`.
//!
//! **The head decides first.** What it says is not stored goes to the caller with an unread body, so that the parts of a stream arrive
//! one by one.
//!
//! | the response | effect |
//! |---|---|
//! | has another status than 200, 203 or 204 | not stored |
//! | has `no-store` | not stored, unless [`override_no_store`](ResponseCacheConfig::override_no_store) |
//! | has `no-cache` or `max-age=0`, or is stale on arrival | [validated](#validation) for each request; without a validator not stored, unless `override_no_store` |
//! | sets a cookie | not stored, unless [`strip_set_cookie`](ResponseCacheConfig::strip_set_cookie) |
//! | is [`Degraded`](crate::extensions::Degraded): an inner layer made it in the server's place | not stored, treated as the failure that it stands in for |
//! | has `Vary: *` or an unreadable `Vary` | not stored |
//! | is a stream: `text/event-stream`, newline-delimited JSON, `multipart/x-mixed-replace`, gRPC, `stream=watch`, `X-Accel-Buffering: no` | not stored |
//! | has no announced length, and a body that goes on five seconds after the head | not stored; the part so far and the rest go to the caller |
//! | would exceed the 8 MiB that the bodies in flight of one cache hold together | not stored this time |
//! | is longer than [`max_body_bytes`](ResponseCacheConfig::max_body_bytes), breaks off, or contradicts its `Content-Length` | not stored |
//! | has `max-age` or `Expires` | fresh until then (less its `Age`), and no longer than [`ttl`](ResponseCacheConfig::ttl) |
//! | has `must-revalidate` or `no-cache` | never served stale |
//! | has `stale-if-error` | served stale for that time, and no longer than [`stale_for`](ResponseCacheConfig::stale_for) |
//! | has `stale-while-revalidate` | served stale at once for that time, and no longer than `stale_for`, while it is refreshed in the background |
//!
//! | the request | effect |
//! |---|---|
//! | has `no-cache`, `max-age=0` or `Pragma: no-cache` | sent; its response is stored |
//! | has `max-age` or `min-fresh` | gets a fresh response that satisfies them, or is sent |
//! | has `only-if-cached` | gets what can be served without the server, or 504; never sent |
//! | has `no-store`, `Range`, `Upgrade`, a condition (`If-None-Match`) or a body | passes through |
//! | is made outside of a tokio runtime, and has no stored response | passes through |
//!
//! A stored response has an `Age`, the header fields of the server except those of the connection, and no extension but
//! [`Stale`].
//!
//! There is no heuristic freshness: the time to live is configured.
//!
//! # Validation
//!
//! A stored response with an `ETag` or a `Last-Modified` is refreshed by a conditional request, however old it is
//! ([RFC 9111 section 4.3](https://www.rfc-editor.org/rfc/rfc9111#section-4.3)). A 304, which GitHub does not count against its
//! limit, renews it: the waiters get the stored response with its status and body, and with the header fields of the 304 in place of
//! those of the same name, except for those that describe the body (`content-*`, `etag`). What the 304 says about storing holds.
//!
//! * A caller's own condition passes through, and so does the response to it.
//! * After a write, an invalidation or a rejection, nothing is validated: the whole response is fetched.
//! * A 304 with another `ETag` than the stored one is about another response. After it, and after a 412, the request is sent again
//!   without a condition.
//! * A malformed or repeated `ETag`, or one of more than 1 KiB, is none.
//!
//! # Single flight
//!
//! ```text
//! first request  ──► fetch, on its own task ───► response:     stored, and given to all waiters
//! other requests ──► wait for the fetch ───────► failure:      given to all waiters, not stored
//!                                                not storable: given to the first; the others send their requests
//! ```
//!
//! The waiters share a failure, too: ten thousand callers of a server that is down make one request. The exception is a failing
//! response with a body of more than 256 KiB (and more than `max_body_bytes`), which each of them requests itself.
//!
//! As soon as a head says that a response is not storable, its waiters send their requests, all at the same time and each of them
//! once; put a [`ThrottleLayer`](crate::ThrottleLayer) inside to bound how many are in flight. Later requests pass through without
//! waiting for each other, for one minute or for the time to live, whichever is shorter.
//!
//! A fetch reads the whole body before anyone gets it. If the body of a success breaks off, the request is sent once more, within the
//! same time limit, unless it carries [`NoRetry`](crate::extensions::NoRetry). The second attempt carries
//! [`Attempt`](crate::extensions::Attempt). Around a client without a [`Stack`](crate::Stack) this needs a request body of the type
//! `Full<Bytes>`, `Empty<Bytes>`, `String`, axum's or reqwest's.
//!
//! A fetch has the span, the extensions and the deadline of the call that begins it, and takes at most
//! [`fetch_timeout`](ResponseCacheLayer::fetch_timeout). The refresh of a response that can be served stale has `fetch_timeout`,
//! whatever the call's deadline. If a deadline ends a fetch and some waiters have more time, one of them begins another, once.
//! So does one of them if the fetch's runtime is shut down, or is not driven until a second after the limit.
//!
//! # While the server is down
//!
//! Past its time to live and for `stale_for`, a response is served with the extension [`Stale`] if its refresh ends as
//! `RateLimited`, `Throttled`, `Unavailable`, `Timeout`, `Connect`, `Interrupted` or `TokenUnavailable`, or takes longer than
//! [`stale_wait`](ResponseCacheConfig::stale_wait). After such a failure there is a cooldown: for as long as the server asked, or
//! else longer after each failure, the stale response is served without a request.
//!
//! Any other failure is the resource's present state: a 401, 403, 404 or 410 is returned, and the stored response is removed.
//! An error of unknown class is returned, and the stored response remains.
//!
//! # Invalidation
//!
//! * A `POST`, `PATCH`, `PUT`, `DELETE` or other unsafe method that succeeds invalidates the responses of **its own path**, for
//!   all credentials and queries ([RFC 9111 section 4.4](https://www.rfc-editor.org/rfc/rfc9111#section-4.4)). If its outcome is
//!   unknown (5xx, a timeout, a broken connection, a dropped call), the responses become stale: they are refreshed, and still
//!   served while the server is down. Use the handle for what a write changes under other paths (`/users/{id}` and
//!   `/users/{id}/roles`).
//! * [`ResponseCacheHandle`] invalidates by a parameter of the pattern, by URI
//!   ([`invalidate_uri`](ResponseCacheHandle::invalidate_uri)), or everything.
//!
//! A fetch that was in flight gets the state before the invalidation: its waiters receive the response, and it is not stored.
//! Paths are compared without their percent-encoding, and otherwise literally. Writes that do not pass through this layer are not
//! seen.
//!
//! A write takes effect when its response arrives: it also invalidates what was stored since it was sent. If a server applies a write
//! after its response (202, a lagging replica) or after the call was given up, responses from before may be stored for their time to
//! live. Use the handle when the write is known to be done.
//!
//! # Defaults
//!
//! | setting | default | when it is reached |
//! |---|---|---|
//! | [`with_max_bytes`](ResponseCacheLayer::with_max_bytes) | [64 MiB](ResponseCacheLayer::DEFAULT_MAX_BYTES) | the least used responses are evicted |
//! | [`ttl`](ResponseCacheConfig::ttl) | none: requests pass through until it is given | the response is refreshed |
//! | [`stale_for`](ResponseCacheConfig::stale_for) | [10 min](ResponseCacheLayer::DEFAULT_STALE_FOR) | the failure is returned |
//! | [`stale_wait`](ResponseCacheConfig::stale_wait) | [1 s](ResponseCacheLayer::DEFAULT_STALE_WAIT), or half of the time until the deadline | the stale response is served, the fetch continues |
//! | [`max_body_bytes`](ResponseCacheConfig::max_body_bytes) | [256 KiB](ResponseCacheLayer::DEFAULT_MAX_BODY_BYTES) | the response passes through |
//! | [`fetch_timeout`](ResponseCacheLayer::fetch_timeout) | [30 s](ResponseCacheLayer::DEFAULT_FETCH_TIMEOUT), or the deadline of the call that begins the fetch | the fetch fails as `Timeout` |
//! | [`credential`](ResponseCacheLayer::credential) | `authorization`, `proxy-authorization`, `cookie`, `dpop` | |
//! | [`header`](ResponseCacheLayer::header) | all [but a few](#which-requests-share-a-response) | |
//! | [`classifier`](ResponseCacheLayer::classifier) | [`Preset::Standard`](crate::classify::Preset::Standard) | |
//! | [`clock`](ResponseCacheLayer::clock) | the system's | |
//!
//! # Cost
//!
//! A request that passes through costs no allocation; a write costs a hash of its path. A hit costs a hash of
//! the key, a lookup in [`moka`](https://docs.rs/moka)'s concurrent map, and up to five allocations for the header map. A fetch
//! is a task, and copies the head of its request.
//!
//! A stored response is copied into one allocation, so that it keeps no buffer of a connection alive. Its size includes its
//! header fields and what the cache needs for it, and the bound holds at the end of each fetch. The invalidation counters take up
//! to 8 bytes for each KiB of the bound, and are part of it. The bodies of responses in flight are not: they hold at
//! most 8 MiB together. There are no threads.
//!
//! # Readiness
//!
//! `poll_ready` is the inner service's, because a hit is not known before the call. A call that is sent uses the ready instance.
//! A call that gets a stored response or waits releases it with whatever it holds; if it must send after all, it makes a clone ready,
//! until its deadline and for 90 seconds at most.
//!
//! # Cancellation
//!
//! Dropping a call that passes through drops the inner call. Dropping a call that waits ends its wait, and the fetch continues for
//! the others. A fetch that no call waits for, or whose call was never polled, continues for three seconds, so that a person who
//! reloads a page finds the response. The refresh of a stale response that was served continues until its limit. There are at most
//! 256 of these for one cache; any further one is dropped with its request, and a stale response is then in
//! [cooldown](#while-the-server-is-down). A panic of the client fails the fetch. A dropped write has an unknown outcome.
//!
//! # Cloning
//!
//! Clones of the layer, its services, their clones and its handles share one cache. Use one layer for each client: the cache does
//! not know what two clients send differently. A setter changes one layer and none of its clones.
//!
//! # Ordering
//!
//! * Outside of [`RetryOnRateLimit`](crate::RetryOnRateLimit), [`ThrottleLayer`](crate::ThrottleLayer) and
//!   [`TokenCacheLayer`](crate::TokenCacheLayer): a hit needs none of them, and a fetch is retried, queued and authorized once
//!   for all waiters. Inside of the token layer each new token would be another credential.
//! * Outside of [`ErrorClassifyLayer`](crate::ErrorClassifyLayer), whose classification it uses and which sees each response of
//!   the server.
//! * Inside of the call's [`TimeoutLayer`](crate::TimeoutLayer), which also limits the wait. The deadline of a waiting call ends
//!   that call, not the fetch. The phase of its error is `Headers`.
//! * Inside of [`FallbackLayer`](crate::FallbackLayer), which decides for each call. A response that has failed open inside of the cache
//!   is neither stored nor shared: the other callers send their requests.
//! * Inside of layers that turn failing responses into errors. The rate-limit fields of a stored response are outdated: do not
//!   read them in an outer layer.
//!
//! # Errors
//!
//! * [`ErrorKind::FetchFailed`](crate::ErrorKind::FetchFailed), shared by the waiters of a fetch without a response. Its source
//!   is the inner service's error or a timeout, and its class is that of the source.
//! * [`ErrorKind::Timeout`](crate::ErrorKind::Timeout), if the [`Deadline`](crate::extensions::Deadline) in the request's
//!   extensions passes while it waits.
//! * The inner service's errors, unchanged, for requests that pass through. The error of a [`CacheBody`] is the inner body's.
//!
//! # Panics
//!
//! A call panics if the inner service's `call` or the `credential` function does, and in a tokio runtime without timers.
//!
//! # Events
//!
//! The target is `tower_heed::response_cache`. No event contains a path, a user or a credential.
//!
//! | level | message | fields |
//! |---|---|---|
//! | `DEBUG` | `response stored` | `endpoint`, `bytes`, `fresh_for_ms` |
//! | `DEBUG` | `stored response confirmed`, by a 304 | `endpoint`, `fresh_for_ms` |
//! | `DEBUG` | `response broken, fetching again` | `endpoint` |
//! | `DEBUG` | `response not stored` | `endpoint`, `reason`: `status`, `no_store`, `no_cache`, `set_cookie`, `vary_any`, `too_long`, `incomplete`, `stream`, `busy` |
//! | `DEBUG` | `resource invalidated by a write` | `endpoint` |
//! | `INFO` | `responses invalidated` | `scope`: `parameter`, `uri` or `all` |
//! | `INFO` | `server recovered` | `endpoint` |
//! | `WARN` | `serving stale responses`, once until the server recovers | `endpoint`, `class` |
//! | `WARN` | `the server's responses cannot be stored, each request is sent`, once for each endpoint | `endpoint`, `reason` |
//! | `DEBUG` | `endpoint has no time to live of its own`, when the layer is configured: only narrower endpoints with one are cached | `endpoint` |
//! | `WARN` | `endpoint of another method than GET is not cached`, when the layer is configured | `endpoint` |
//!
//! Each event of a [named](ResponseCacheLayer::name) layer has the name as `stack`.

// From the bottom up. A module imports those above it alone, and the defaults of the layer:
//
//   cache_control                directives of requests and responses
//   validators                   of conditional requests
//   store_policy                 whether a response is stored, and for how long it is used
//   neutral, key                 hashes that identify responses
//   generations                  invalidation
//   memory, stored, store        stored responses
//   waiters                      the calls that wait for a fetch
//   in_flight, shared, request   fetches in flight; what services share; a request whose response may be stored
//   again, fetch, waiting        single flight
//   lookup, write                what to do for a request
//   future, service, layer       the Tower service

mod again;
mod body;
mod cache_control;
mod config;
mod events;
mod fetch;
mod future;
mod generations;
mod handle;
mod in_flight;
mod key;
mod layer;
mod lookup;
mod memory;
mod neutral;
mod request;
mod service;
mod shared;
mod sharing;
mod snapshot;
mod stale;
mod store;
pub(crate) mod store_policy;
mod stored;
mod validators;
mod waiters;
mod waiting;
mod write;

pub use body::CacheBody;
pub use config::ResponseCacheConfig;
pub use future::ResponseFuture;
pub use handle::ResponseCacheHandle;
pub use layer::ResponseCacheLayer;
pub use service::ResponseCache;
pub(crate) use sharing::Sharing;
pub use snapshot::ResponseCacheSnapshot;
pub use stale::Stale;
use store_policy::AfterFailure;
