//! Queues requests until the server will accept them: at its limit, and not beyond.
//!
//! Use it around each client of an API that has limits. All callers that share the layer know what is left, wait for a permit in order,
//! and continue when the limit allows. Where no limit is known it starts with a few concurrent requests and allows more with each success.
//!
//! Do not use it for an API that does not count requests, nor without [`RetryOnRateLimit`](crate::RetryOnRateLimit): a limit that is
//! shared with other processes, or not announced, is still exceeded now and then.
//!
//! # Example
//!
//! ```
//! use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
//! use http::{Request, Response};
//! use tokio::time::Instant;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_heed::{BoxError, ThrottleLayer};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! // Accepts two requests and says when there will be more.
//! let count = Arc::new(AtomicU32::new(0));
//! let api = service_fn(move |_: Request<()>| {
//!     let left = 1_u32.saturating_sub(count.fetch_add(1, Ordering::Relaxed));
//!     async move {
//!         let response = Response::builder().header("ratelimit-limit", 2);
//!         let response = response.header("ratelimit-remaining", left).header("ratelimit-reset", 7);
//!         Ok::<_, BoxError>(response.body(())?)
//!     }
//! });
//! let throttle = ThrottleLayer::new();
//! let handle = throttle.handle();
//! let client = ServiceBuilder::new().layer(throttle).service(api);
//!
//! let start = Instant::now();
//! for _ in 0..3 {
//!     client.clone().oneshot(Request::get("https://id.example/users/1").body(())?).await?;
//! }
//! // The third was queued until the server would accept it.
//! assert!((Instant::now() - start).as_secs() >= 7);
//! assert_eq!(handle.snapshot()[0].key(), "https://id.example");
//! # Ok(())
//! # }
//! ```
//!
//! # Which requests share a quota
//!
//! Requests with the same *key*: by default those to one origin, since most servers count all requests of a client together.
//!
//! | for | use |
//! |---|---|
//! | an endpoint with its own quota | [`ThrottleConfig::own_quota`] |
//! | several endpoints that share one | [`ThrottleConfig::shared`] with the same name |
//! | a quota per tenant or credential | [`ThrottleLayer::key`] |
//! | an endpoint that is not counted | [`ThrottleConfig::exempt`] |
//!
//! Some servers name the *bucket* in which they counted a request: Discord in `x-ratelimit-bucket` (`x-ratelimit-global: true`
//! and `x-ratelimit-scope: global` for all of them), GitHub in `x-ratelimit-resource`. Each bucket has its own quota
//! within its key. A response that names a bucket is counted there, and later requests on the same route count against the same
//! bucket. A *route* is the method and the endpoint's pattern, or without a pattern the first segment of the path (up to five segments,
//! if responses on one route name different buckets). A 429 that says it is global, or
//! names no bucket where others do, blocks the whole key. A key keeps 512 routes and 64 buckets; each bucket counts towards [`max_keys`](ThrottleLayer::max_keys).
//!
//! A response is rate limited if an [`ErrorClassifyLayer`](crate::ErrorClassifyLayer) inside says so, or else the
//! [classifier](ThrottleLayer::classifier). An error that says the request never left (a refused connection, no token) returns its
//! permit. After any other error, and for a dropped future, it is unknown whether the server counted the request.
//!
//! [How the throttle finds the limit](https://docs.rs/crate/tower-heed/latest/source/docs/throttle.md) says what it learns from the
//! responses and how close it comes.
//!
//! # Whose limit it is
//!
//! Where the server names no bucket, a limit holds the route whose response showed it: here the method and the endpoint's pattern, or
//! up to five segments of the path, in which all identifiers are alike. It holds all routes of the key
//!
//! * once another route shows the same counter, or is rejected within a minute of the first without a counter;
//! * where the server says so, or the quota was configured by [`own_quota`](ThrottleConfig::own_quota) or
//!   [`shared`](ThrottleConfig::shared).
//!
//! A limit may also be that of each caller or of each path. Where nothing is left for two seconds or more, one request of another
//! caller or to another path of the route is sent all the same. If at least half of the limit is left for it, or it
//! is accepted during a wait that the server has named, each caller, or each path, has a quota of its own for ten minutes. If not, it
//! is one limit for all, and no other such request is sent for as long.
//!
//! Callers are told apart only by an `Authorization` that the request already carries. A [`TokenCacheLayer`](crate::TokenCacheLayer)
//! inside attaches it later: for its tokens set [`key`](ThrottleLayer::key), as for [several tenants](crate::stack#several-tenants).
//!
//! A request on a route that never showed the limit is sent, and its response shows whether it counts there. An exhausted counter
//! on a 401, a 404 or another response that denies the caller holds nothing; one on a 403 that names no wait holds its route if
//! successes have shown the same counter, or at the second in a row.
//!
//! # By hand
//!
//! Where you know better than the responses, say so for the layer or for an [endpoint](ThrottleLayer::endpoint):
//!
//! | you know | use |
//! |---|---|
//! | the limit | [`limit`](ThrottleConfig::limit): at most so many in any period, without a slow start; the server's counters can only make it stricter |
//! | that others use the limit too | [`headroom`](ThrottleConfig::headroom): the share of each announced limit to use |
//! | that a rejection lasts | [`min_wait`](ThrottleConfig::min_wait): the least wait after a rate-limited response |
//!
//! A limit is one for a key with all its buckets and routes, and no probe passes it. A key that was
//! [evicted](ThrottleLayer::max_keys) begins anew.
//!
//! # The queue
//!
//! Without a permit a request is queued: the highest [`Priority`](crate::extensions::Priority) first, and within a priority the earliest
//! deadline that can still be met. **While several priorities are queued, three of four permits go to the highest, and the fourth to the
//! request that has waited longest**: a login passes a bulk job, and the bulk job still proceeds. Once a request of
//! [`Priority::High`](crate::extensions::Priority::High) was seen, the last tenth of each fixed window is kept for others like it,
//! and released bit by bit until the window ends.
//!
//! ```text
//!   call ──── a permit is available, and the queue is empty ─────────────────────┐
//!     │ else: the ready instance is dropped                                      │
//!     ▼                                                                          ▼
//!   queued ────── it has a permit ────────► readying ── a clone is ready ──────► in flight ──► response
//!     │
//!     └─ the permit comes after the deadline or max_wait ──► Throttled, at once
//! ```
//!
//! A permit goes to a caller whose deadline leaves time for the response, judged by recent response times of its route. Attempts that
//! ran out of time count, and rejections do not. The others come last; if no recent response was fast enough they fail, except one
//! attempt now and then that measures anew. A request also fails at once if the requests ahead use every permit before its
//! deadline, when it arrives and whenever a limit is learned. That can only be computed for a window with known limit and length;
//! otherwise the request is queued.
//!
//! After at least seven 503 or 529 in a row without `Retry-After`, over at least two seconds and longer than a known limit explains, the
//! server is *down*, and no request is queued for it (not with `fleet`). One request per 600 ms is sent, and the others fail at once,
//! for the fallback to decide.
//!
//! While nothing is known of the limit, requests wait for the first response. After a second without one others are sent as well, more
//! each second up to sixteen. A request is also sent at half of its time limit, unless sixteen were sent that way since the last
//! response.
//!
//! One queued request has the timer. Each response, lost request or dropped waiter wakes the next request that has a permit. Nothing is
//! polled in a loop, and no task is spawned.
//!
//! # Defaults
//!
//! | setting | default | when it is reached |
//! |---|---|---|
//! | [`max_wait`](ThrottleLayer::max_wait) | [90 s](ThrottleLayer::DEFAULT_MAX_WAIT), or the request's [`Deadline`](crate::extensions::Deadline) less the time for its response | [`Throttled`](crate::ErrorKind::Throttled); nothing was sent |
//! | length of the queue | not bounded: only the time in it is | put tower's `ConcurrencyLimit` or `LoadShed` around the stack |
//! | [`max_block`](ThrottleLayer::max_block) | [one hour](ThrottleLayer::DEFAULT_MAX_BLOCK) | one request probes |
//! | [`max_keys`](ThrottleLayer::max_keys) | [1,000](ThrottleLayer::DEFAULT_MAX_KEYS) | the least recently used idle key is evicted; if all are busy, requests of a new key are not throttled |
//! | [`key`](ThrottleLayer::key) | the origin | |
//! | [`classifier`](ThrottleLayer::classifier) | [`Preset::Standard`](crate::classify::Preset::Standard) | |
//! | [`limit`](ThrottleLayer::limit) | none | requests are queued |
//! | [`headroom`](ThrottleLayer::headroom) | 1: all of each announced limit | requests are queued |
//! | [`min_wait`](ThrottleLayer::min_wait) | none | |
//! | [`clock`](ThrottleLayer::clock) | the machine's | |
//! | [`endpoint`](ThrottleLayer::endpoint) | none | |
//! | `fleet`, with the feature `shared` | none: each process learns alone | the store is down: the process sends at its last known share of the limit |
//!
//! # Cost
//!
//! With a permit available: no allocation once the key is known, and two brief locks. The rate-limit headers are read outside of the
//! lock. A queued request costs an allocation.
//!
//! # Readiness
//!
//! `poll_ready` is the inner service's, since the key of a request is not known before the call. A call with a permit uses the ready
//! instance. A queued call drops it, with whatever it holds, and makes a clone ready once it has a permit, so that it holds no permit of
//! a concurrency limit in the queue. If its deadline or `max_wait` ends meanwhile, it fails with
//! [`Throttled`](crate::ErrorKind::Throttled).
//!
//! # Cancellation
//!
//! Dropping a call gives up its position in the queue. An unused permit goes to the next request, or back. A request in flight may or
//! may not be counted by the server, and the quota allows for both.
//!
//! A future that is kept and not polled can delay others: until the next response or request if it has the timer, and for a second if it
//! has the only permit. Poll what you have started, or drop it.
//!
//! # Cloning
//!
//! Clones of the layer, its services and their clones share all quotas and queues. A setter changes one layer and none of its clones.
//!
//! # Ordering
//!
//! * [`RetryOnRateLimit`](crate::RetryOnRateLimit) goes **outside**: each attempt takes its own permit, and a rate-limited one goes to the
//!   end of the queue. One 429 is waited out once, in the queue: the retry adds no backoff of its own. A
//!   [`Throttled`](crate::ErrorKind::Throttled) request is retried within the retry's own bounds.
//! * A [`TimeoutLayer`](crate::TimeoutLayer) **outside** bounds the queue wait too, and its deadline prevents hopeless waits; one
//!   **inside** bounds the attempt. Have one inside: without it, a hanging request delays others for at most a second, but stays counted as in flight.
//! * [`ErrorClassifyLayer`](crate::ErrorClassifyLayer) goes **inside**, so that each response comes classified; with `error_for_status`
//!   the response is found in its error.
//! * [`TokenCacheLayer`](crate::TokenCacheLayer) goes **inside**: a token may expire in the queue.
//!
//! # Errors
//!
//! * An [`Error`](crate::Error) of the kind [`Throttled`](crate::ErrorKind::Throttled) and the class
//!   [`Throttled`](crate::classify::ErrorClass::Throttled), if no permit comes by the deadline or within `max_wait`; at once where that
//!   is known. [`retry_after`](crate::Error::retry_after) is the time until a permit may come, if known. Its `is_limit_known` is false
//!   if it waited for the first response.
//! * The same with `is_down` and the [cause](crate::classify::Classification::cause)
//!   [`Unavailable`](crate::classify::ErrorClass::Unavailable), if the server is down and the next attempt is not due. It is not retried.
//! * The inner service's errors, unchanged.
//!
//! # Panics
//!
//! The future panics if it needs the timer outside of a tokio runtime with timers enabled.
//!
//! # Handle
//!
//! [`ThrottleHandle::snapshot`] shows for each key the limit, what is left, when more comes, for how long the server still
//! [blocks](ThrottleSnapshot::blocked) all of it, and how many requests are queued, also [by priority](ThrottleSnapshot::queued_of).
//! Of a fleet's quota it also shows the permits that this process holds, and whether it goes on
//! without the store (`is_without_store`). [`ThrottleHandle::forget`] drops what was learned of a key.
//!
//! # Events
//!
//! At changes of state only, with the target `tower_heed::throttle`:
//!
//! | level | message | fields |
//! |---|---|---|
//! | `DEBUG` | `requests are queued` | `key`, `wait_ms` if it is known |
//! | `DEBUG` | `requests are no longer queued` | `key`, `waited_ms` since the first of them, `requests` |
//! | `INFO` | `learned the server's limit` | `key`, `limiter`, `limit`, `per_second` or `window_ms` |
//! | `WARN` | `too many keys: requests of a new key are not throttled` | `max_keys` |
//! | `WARN` | `store is down, the quota is not shared` | `key`, `reason`: `timeout`, `error` or `not_ours`, `error` |
//! | `INFO` | `the quota is shared again` | `key` |
//! | `DEBUG` | `role in the fleet changed` | `key`, `role`: `learns`, `waits`, `free` or `shares` |
//!
//! Each event of a [named](ThrottleLayer::name) layer has the name as `stack`.
//!
//! With the feature `metrics`, attempts, rate-limited responses, queue waits and queue lengths are counted by endpoint, and permits
//! of a fleet by what became of them.
//!
//! A span around the call that declares the field `throttle_waited_ms` gets the time that the request was queued.

mod admission;
mod buckets;
mod config;
mod effects;
mod events;
#[cfg(feature = "shared")]
pub(crate) mod fleet;
mod future;
mod key;
mod keys;
mod lane;
mod latency;
mod layer;
pub(crate) mod limiter;
#[cfg(all(test, tower_heed_loom))]
mod model;
mod outcome;
#[cfg(feature = "shared")]
mod questions;
mod queue;
mod queued;
mod reserve;
mod route;
mod routes;
mod scope;
mod service;
mod slot;
mod snapshot;
mod split;

pub use config::ThrottleConfig;
pub use future::ResponseFuture;
pub use layer::ThrottleLayer;
use limiter::LimiterKind;
pub use service::Throttle;
pub use snapshot::{ThrottleHandle, ThrottleSnapshot};
