//! Holds requests back until the server will take them: at its limit, and not beyond.
//!
//! Use it around every client of an API that has limits and that several callers share: all of them know together what is
//! left, wait for their turns in order, and go on when the limit lets them. Where nothing is known of a limit it starts with a
//! few requests at a time and lets more go with every one that succeeds. Do not use it for a client whose requests the server
//! does not count, or in place of [`RetryOnRateLimit`](crate::RetryOnRateLimit): a limit that others use as well, or that
//! is not shown, is met by a refusal now and then, and that layer sends again.
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
//! // Lets two requests through and says when there will be more.
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
//! // The third was not refused: it was not sent before it would be taken.
//! assert!((Instant::now() - start).as_secs() >= 7);
//! assert_eq!(handle.snapshot()[0].key(), "https://id.example");
//! # Ok(())
//! # }
//! ```
//!
//! # What shares a quota
//!
//! Requests of one *key*: by default those to one origin, since most servers count all requests of a client together.
//!
//! | to have | use |
//! |---|---|
//! | an endpoint with a quota of its own | [`Config::own_quota`] |
//! | several endpoints that share one | [`Config::shared`] with the same name |
//! | a quota for each tenant or credential | [`ThrottleLayer::key`] |
//! | an endpoint that is not counted | [`Config::exempt`] |
//!
//! Within a key, the requests that the server counts in a *bucket* which it names have a quota of their own:
//! [`Bucket`](crate::headers::Bucket) lists the headers (Discord's buckets, GitHub's resources). An answer that names one is counted
//! there, and so are all further requests on its route, which is the method and the endpoint's pattern, or else the first
//! segment of the path; where answers on one route name different buckets, it is told apart by up to four more segments. A
//! refusal that names no bucket, or says that it is for all of them, holds the whole key for as long as it asks. 64 routes and 64
//! buckets of a key are kept, and each bucket counts as one of [`max_keys`](ThrottleLayer::max_keys).
//!
//! What is known of a key, and how its next turn is found, is [`policy::quota`](crate::throttle::limiter), which is a function of
//! its arguments and tried out by itself. This layer tells it of each send and each answer and does the waiting. An answer is
//! a refusal if another layer has left a [`Classification`](crate::classify::Classification) on it that says so, or else if
//! the [classifier](ThrottleLayer::classifier) does. An error that says that the request never left (a refused connection, no
//! token, a limit of ours further inside) gives its turn back at once: to leave a server that is down alone is the retry's business.
//! Any other error without an answer, and a future that is dropped, leave it open whether the server counted the request.
//!
//! # The line
//!
//! Where no turn is at hand, requests wait in line, the highest [`Priority`](crate::extensions::Priority) first and each priority
//! in the order of coming. **Of four turns that are given while several priorities wait, three go to the highest, and the
//! fourth to whoever has waited longest**: a login passes a bulk job, and the bulk job gets on.
//!
//! ```text
//!   call ──── a turn is at hand, and nobody waits ───────────────────────────────┐
//!     │ else: the instance that was made ready is let go                         │
//!     ▼                                                                          ▼
//!   waiting ───── its turn has come ─────► readying ── a clone is ready ──────► sending ──► the answer,
//!     │                                                                                    as it is
//!     └─ it comes after the deadline or max_wait ──► Throttled, at once
//! ```
//!
//! A request that waits has to have its turn while there is time for its answer: twice as long before its deadline as answers of
//! this key take on the average, and with half of its time left to wait at least. One that is sent later would take the turn of
//! the next and hear nothing, and where more come than the server lets through, that would be so of nearly all.
//!
//! Behind a line that is too long a request fails at once as well: if its window's limit and length are known, as many as there
//! can be turns until its time is over wait before it in its own priority, and they wait as long as it would, or to a tenth. Where
//! the server keeps a bucket or shows no counter, how many turns there will be is not certain, and it waits for its time to end.
//!
//! One of those who wait watches the time for all; an answer, a loss or a dropped waiter calls whoever can go. Nobody asks in
//! a loop, and nothing runs on a task of its own.
//!
//! # Defaults
//!
//! | setting | default | at the limit |
//! |---|---|---|
//! | [`max_wait`](ThrottleLayer::max_wait) | [90 s](ThrottleLayer::DEFAULT_MAX_WAIT), or the request's [`Deadline`](crate::extensions::Deadline), less the time for its answer | [`Throttled`], nothing was sent |
//! | [`max_hold`](ThrottleLayer::max_hold) | [one hour](crate::throttle::limiter::Quota::DEFAULT_MAX_HOLD) | one request asks again |
//! | [`max_keys`](ThrottleLayer::max_keys) | [1,000](ThrottleLayer::DEFAULT_MAX_KEYS) | a key that is idle makes room; if all have requests waiting or under way, those of the new key are sent as they come |
//! | [`key`](ThrottleLayer::key) | the origin | |
//! | [`classifier`](ThrottleLayer::classifier) | [`Preset::Standard`](crate::classify::Preset::Standard) | |
//! | [`clock`](ThrottleLayer::clock) | the machine's | |
//! | [`endpoint`](ThrottleLayer::endpoint) | none | |
//!
//! # Cost
//!
//! With a turn at hand: no allocation once the key is known, and a short lock at the send and another at the answer, whose
//! rate-limit headers are read in between, outside of it. A request that waits is boxed, and where the server
//! names buckets, so is the route of each.
//!
//! # Readiness
//!
//! `poll_ready` is the inner service's: which key a request has is not known before the call. A call whose turn is at hand uses
//! the readied instance. One that must wait lets it go, with whatever it holds, and makes a clone ready when its turn has
//! come, so that no permit of a concurrency limit is held in the line. If its deadline or `max_wait` is over by then, it fails with
//! [`Throttled`] and is not sent.
//!
//! # Cancellation
//!
//! A dropped call gives its place in the line back at once. A turn that it had and did not use goes to the next, or back. If its request
//! was on the way, the server may have counted it or not, and the quota takes that into account.
//!
//! A future that is kept and not polled may hold up the others: if it is the one that watches the time, until the next answer
//! or the next request, and if it was given a turn that all wait for, for a second. Poll what you have begun, or drop it.
//!
//! # Cloning
//!
//! Clones of the layer, its services and their clones share what is known of all keys, and the lines. A setter changes one
//! layer and none of its clones.
//!
//! # Ordering
//!
//! * [`RetryOnRateLimit`](crate::RetryOnRateLimit) goes **outside**: each send takes its own turn, and a refused one goes to the
//!   end of the line. The two do not wait twice: when the retry's wait is over, so is what the throttle held for the same
//!   refusal. A [`Throttled`] is retried within the retry's own bounds.
//! * A [`TimeoutLayer`](crate::TimeoutLayer) **outside** bounds the wait as well, and its deadline keeps a request from a
//!   wait that would be in vain; one **inside** bounds the send alone. Have one inside: a request that hangs holds
//!   up nobody for more than a second, but it counts as under way.
//! * [`ErrorClassifyLayer`](crate::ErrorClassifyLayer) goes **inside**, so that each answer brings its meaning; with
//!   `error_for_status` the answer is found in its error.
//! * [`TokenCacheLayer`](crate::TokenCacheLayer) goes **inside**: a token that is good before a long wait may have ended after
//!   it.
//!
//! # Errors
//!
//! * [`Throttled`], if the turn does not come by the deadline or within `max_wait`; at once where that is known. It is found
//!   through any wrapping by [`find`](crate::error::find), and its class is
//!   [`Throttled`](crate::classify::ErrorClass::Throttled).
//! * The inner service's errors, unchanged.
//!
//! # Panics
//!
//! The future panics when it has to watch the time outside of a tokio runtime that has its timers enabled.
//!
//! # Events
//!
//! At changes of state only, with the target `tower_heed::throttle`:
//!
//! | level | message | fields |
//! |---|---|---|
//! | `DEBUG` | `requests are held back` | `key`, `wait_ms` if it is known |
//! | `DEBUG` | `requests are no longer held back` | `key`, `waited_ms` since the first of them, `requests` |
//! | `INFO` | `learnt the server's limit` | `key`, `limiter`, `limit`, `per_second` or `length_ms` |
//! | `WARN` | `no room for another key: its requests are sent as they come` | `max_keys` |
//!
//! With the feature `metrics`, sends, refusals, waits and the length of the line are counted as well, by endpoint: see the
//! module `metrics`.
//!
//! A span around the call that declares a field `throttle_waited_ms` gets the time that the request waited for its turn.

mod admission;
mod buckets;
mod config;
mod effects;
mod events;
mod future;
mod key;
mod keys;
mod layer;
pub mod limiter;
#[cfg(all(test, tower_heed_loom))]
mod model;
mod name;
mod outcome;
mod queue;
mod queued;
mod routes;
mod service;
mod slot;
mod snapshot;
mod sync;

pub use crate::error::Throttled;
pub use config::Config;
pub use future::ResponseFuture;
pub use layer::ThrottleLayer;
pub use service::Throttle;
pub use snapshot::{KeySnapshot, ThrottleHandle};
