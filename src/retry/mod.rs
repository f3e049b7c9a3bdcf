//! Retries requests that the server rate limited or failed, after the wait that the server asked for.
//!
//! Use it around every client of an API with rate limits. It waits as long as `Retry-After` or the rate-limit headers say, or by
//! exponential backoff if they say nothing. It returns the response at once if waiting is of no use: the wait would pass the
//! deadline, the request must not be repeated, or the shared budget is empty. It reacts to rate limits and does not prevent them;
//! [`ThrottleLayer`](crate::ThrottleLayer) does. A request whose body cannot be replayed is sent once.
//!
//! # Example
//!
//! ```
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Empty;
//! use tokio::time::Instant;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_heed::{BoxError, RetryOnRateLimit, extensions::Attempt, retry::RetryOutcome};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! // Rate limits the first attempt for seven seconds.
//! let api = service_fn(|request: Request<Empty<&'static [u8]>>| async move {
//!     let response = match request.extensions().get::<Attempt>() {
//!         None => Response::builder().status(429).header("retry-after", "7"),
//!         Some(_) => Response::builder().status(200),
//!     };
//!     Ok::<_, BoxError>(response.body(Empty::<&[u8]>::new())?)
//! });
//! let layer = RetryOnRateLimit::new()
//!     .max_retries(3)
//!     .endpoint("POST /api/v2/jobs".parse()?, |config| config.idempotent());
//! let client = ServiceBuilder::new().layer(layer).service(api);
//!
//! let start = Instant::now();
//! let response = client.oneshot(Request::new(Empty::new())).await?;
//! assert_eq!(response.status(), StatusCode::OK);
//! assert!((Instant::now() - start).as_secs() >= 7);
//! assert_eq!(response.extensions().get::<RetryOutcome>().unwrap().attempts(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! # What is retried
//!
//! The class of a failure is the one that another layer left on the response as a
//! [`Classification`](crate::classify::Classification), else the one that the [classifier](RetryOnRateLimit::classifier) gives.
//!
//! | response or error | repeatable requests | others | least wait | budget |
//! |---|---|---|---|---|
//! | `RateLimited`, `Throttled` | retried | retried: it was not carried out | `Retry-After`, else backoff | free |
//! | `Throttled` by an open circuit, or by a server that is down | returned | returned | | |
//! | HTTP/2's `ENHANCE_YOUR_CALM`, as `RateLimited` | retried | retried | backoff | free |
//! | 503 and 529 with `Retry-After`, gRPC's `UNAVAILABLE` with its equivalent | retried | retried: it was not carried out | `Retry-After` | free |
//! | `Unavailable` by 425 | retried | retried: it was not carried out | `Retry-After`, else backoff | one |
//! | other `Unavailable` with `Retry-After` | retried | returned: it may have been carried out | `Retry-After` | one |
//! | `Unavailable`, `Timeout`, `Interrupted` | retried | returned: it may have been carried out | backoff | one |
//! | a connection that was closed before the head of the response | retried once at once, then as `Interrupted` | `PUT` and `DELETE` once, others returned | none | one |
//! | `Connect` | retried | retried: it was never sent | backoff | one |
//! | `Connect`: HTTP/2's `REFUSED_STREAM`, or closed before the request was written | retried once at once, then as above | the same: not processed | none | free |
//! | `Connect`: HTTP/2's `GOAWAY` | retried at once, on up to ten connections | the same: not processed | none | free |
//! | an error that can only come again: no TLS with this server, no URL of this connector, no HTTP | returned | returned | | |
//! | 501, 505, gRPC's negative pushback | returned | returned | | |
//! | `Unauthenticated`, `Forbidden`, `Rejected` | returned | returned | | |
//! | `TokenUnavailable` | by its cause | by its cause | `retry_after`, else backoff | by its cause |
//! | 401 with [`TokenReplaced`](crate::extensions::TokenReplaced) | retried once | retried once | none | free |
//! | the caller's own request body fails, an unknown error | returned | returned | | |
//!
//! Repeatable requests are those with a safe method (GET, HEAD, OPTIONS, TRACE) or an `Idempotency-Key`, those marked
//! [`Idempotent`](crate::extensions::Idempotent), and those to endpoints [configured so](RetryConfig::idempotent). `PUT` and
//! `DELETE` count only if marked. A request marked [`NoRetry`](crate::extensions::NoRetry) is sent once.
//!
//! # How long it waits
//!
//! Rate limits and failures are retried apart. The rows that are free of the budget count as [rate
//! limits](RetryOnRateLimit::rate_limits), which a server ends at a known time: up to five retries. The others count as
//! [failures](RetryOnRateLimit::failures): two retries within about a second, since nobody knows when a failure ends and the caller may
//! have a fallback. Each is switched off by [`Retries::off`], and with failures switched off nothing is sent again at once either.
//!
//! The wait before a retry is the larger of what the server asked for and the backoff step, plus jitter of up to a whole step. The steps
//! are 1 s, 2 s, 4 s up to 30 s after rate limits, and 200 ms and 400 ms after failures. So callers that were rate limited together
//! retry at different times, none before the time that the server named. The wait is counted from the head of the response; the
//! readiness of the inner service comes on top.
//!
//! The steps grow even if the server names the wait, so that callers that are rate limited again and again spread further. For an
//! API that counts by the second the default cap of 30 s is too long: set it to one or two windows, by
//! `backoff(Backoff::exponential(first, cap))`.
//!
//! Where a [`ThrottleLayer`](crate::ThrottleLayer) inside has seen that the attempt was rate limited, the next attempt waits in its
//! queue and nowhere else, unless it does not hold the request for as long as the server has asked: then the retry layer waits. Within
//! the time of one backoff step two attempts count as one retry, or eight if they are probes of a server that accepts nothing. After
//! these, the retry layer waits a backoff step before the next.
//!
//! A wait that would pass [`max_wait`](RetryOnRateLimit::max_wait) or the [`Deadline`](crate::extensions::Deadline) is not
//! begun, and a wait that has begun is never shortened: the response is returned at once, and its [`RetryOutcome`] says how long to
//! wait. Retries after failures, unlike those after a server asked to slow down, are withdrawn from a [budget](RetryBudget) that all
//! calls share.
//!
//! ```text
//!               call
//!                │
//!                ▼
//!   ┌──────► in flight ───── a success, or a failure that is not retried ─────► the response
//!   │            │ a failure that is retried
//!   │            ▼
//!   │        draining        the failing response is read and dropped, so that its connection
//!   │            │           can be used again: 64 KiB and 1 s at most
//!   │            ▼
//!   │        sleeping        until the wait and the jitter are over
//!   │            │
//!   │            ▼
//!   └──────── readying       until the inner service is ready again
//! ```
//!
//! # Extensions and events
//!
//! A [`RetryOutcome`] is in the extensions of each response that took more than one attempt, and of each failing response. A
//! request that is sent again carries an [`Attempt`](crate::extensions::Attempt). Events have the target `tower_heed::retry`:
//!
//! | level | message | fields |
//! |---|---|---|
//! | `INFO` | `waiting to retry` | `endpoint`, `class`, `status`, `wait_ms`, `retries` |
//! | `WARN` if a bound forbids a retry, else `DEBUG` | `not retried` | `endpoint`, `class`, `status`, `retry_after_ms`, `retries`, `stopped` |
//! | `WARN` | `jitter ratio is not within 0.0 and 1.0`, when the backoff is configured | `jitter_ratio` |
//!
//! `endpoint` is the pattern that matched, and `retries` counts those before. Unknown fields are left out. A success has no event.
//! Each event of a [named](RetryOnRateLimit::name) layer has the name as `stack`.
//!
//! # Defaults
//!
//! | setting | value |
//! |---|---|
//! | [`rate_limits`](RetryOnRateLimit::rate_limits) | [5](RetryConfig::DEFAULT_MAX_RETRIES), backoff of [1 s](Backoff::DEFAULT_FIRST), doubling up to [30 s](Backoff::DEFAULT_CAP), jitter of up to [the whole step](Backoff::DEFAULT_JITTER_RATIO) |
//! | [`failures`](RetryOnRateLimit::failures) | [2](Retries::FAILURES), after 200 ms and 400 ms, jitter of up to the whole step |
//! | [`max_retries`](RetryOnRateLimit::max_retries), [`backoff`](RetryOnRateLimit::backoff) | as above; they set both |
//! | [`max_wait`](RetryOnRateLimit::max_wait) | [90 s](RetryConfig::DEFAULT_MAX_WAIT) |
//! | [`budget`](RetryOnRateLimit::budget) | [ten a second, and one for every five successes](RetryBudget) |
//! | [`classifier`](RetryOnRateLimit::classifier) | [`Preset::Standard`](crate::classify::Preset::Standard) |
//! | [`clock`](RetryOnRateLimit::clock) | the machine's |
//! | [`endpoint`](RetryOnRateLimit::endpoint) | none |
//!
//! # Cost
//!
//! A copy of the request is kept until the response arrives: one allocation for the header fields, and the clones of the body and
//! of the extensions. A call that succeeds at the first attempt costs nothing more than a deposit into the budget: a brief lock with
//! tower's, nothing with [`RetryBudget::unlimited`]. Each retry costs another copy and an allocation.
//!
//! # Readiness
//!
//! `poll_ready` is the inner service's. The first attempt goes to the instance that was made ready, each further one to a clone that
//! is made ready before it, until the deadline and for 90 seconds at most; then the call fails with
//! [`Timeout`](crate::ErrorKind::Timeout). Nothing of the inner service is held during a wait: the failed attempt and its permit are released
//! before.
//!
//! # Cancellation
//!
//! Dropping the future drops the attempt in flight, or the wait, and the copy of the request. Nothing is sent afterwards; this
//! layer spawns no tasks. An attempt that was in flight may have reached the server all the same.
//!
//! # Cloning
//!
//! Clones of the layer and of the service share the budget. A setter changes one layer and none of its clones.
//!
//! # Ordering
//!
//! * [`TimeoutLayer`](crate::TimeoutLayer) **outside** bounds the call with all its waits, and its deadline keeps this layer from
//!   hopeless waits. **Inside** it bounds each attempt, and an attempt that timed out is retried.
//! * [`TokenCacheLayer`](crate::TokenCacheLayer) goes **inside**, so that an attempt after a long wait carries a valid token.
//! * [`ErrorClassifyLayer`](crate::ErrorClassifyLayer) goes **inside**, so that it sees each response; outside it sees the last. An
//!   error that it made of a response is treated as the response would be.
//! * [`ReplayBodyLayer`](crate::body::ReplayBodyLayer) goes **outside** for a body that is not `Clone`, or does not know its length. A body over its cap is sent
//!   once.
//! * `tower::limit::ConcurrencyLimit` goes **inside**: a call that waits holds no permit.
//!
//! # Errors
//!
//! Errors of the inner service pass unchanged, also those of its readiness before a retry. This layer makes one, if the service is not ready in time for a retry. If the last
//! attempt ends in an error, the responses of earlier attempts are gone.
//!
//! # Panics
//!
//! The future panics when a wait begins outside of a tokio runtime with timers.

mod backoff;
mod budget;
mod call;
mod config;
pub(crate) mod decision;
mod events;
mod future;
mod layer;
mod outcome;
mod saved;
mod service;
mod wait;

pub use backoff::Backoff;
pub use budget::RetryBudget;
pub use config::{Retries, RetryConfig};
pub(crate) use decision::{Cost, Progress, Retry, decide};
pub use future::ResponseFuture;
pub use layer::RetryOnRateLimit;
pub use outcome::{RetryOutcome, Stopped};
pub use service::RetryOnRateLimitService;
