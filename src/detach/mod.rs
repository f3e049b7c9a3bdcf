//! Answers `202 Accepted` at once for named endpoints, and sends their requests in the background. **What waits is in memory
//! only**: a crash, a kill, an out-of-memory loses it, and so does a shutdown whose deadline comes first. Where loss is not
//! acceptable (an invoice, an audit trail, the removal of a user), write the work down where it survives, in the transaction
//! that it belongs to, and send it from there: an outbox table in your database, or a durable queue (RabbitMQ, NATS
//! JetStream, Kafka, SQS).
//!
//! Use it for what a login must not wait for and can do without: login events, "last seen", metrics, a cache to warm up. Do
//! not use it for requests whose answer decides something, nor to get past a limit: the work is the same, only later.
//!
//! # Example
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//! use http::{Request, Response};
//! use http_body_util::Empty;
//! use tokio::sync::mpsc;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_heed::{BoxError, DetachLayer, Stack, TimeoutLayer, detach::Detached, classify::ErrorClass};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! // An API that has trouble.
//! let api = service_fn(async |_: Request<Empty<&'static [u8]>>| {
//!     Ok::<_, Infallible>(Response::builder().status(503).body(Empty::<&[u8]>::new()).unwrap())
//! });
//! let (lost, mut losses) = mpsc::unbounded_channel();
//! let detach = DetachLayer::new()
//!     .endpoint("POST /login-events", |config| config)?
//!     .on_failure(move |failure| drop(lost.send(failure)));
//! let queue = detach.handle();
//! // In the background there is more time than a login has.
//! let timeout = TimeoutLayer::new(Duration::from_secs(30))?
//!     .endpoint("POST /login-events", |config| config.limit(Duration::from_secs(600)))?;
//! let client = ServiceBuilder::new()
//!     .layer(detach)
//!     .layer(Stack::new().call_timeout(timeout))
//!     .service(api);
//!
//! let event = Request::post("https://id.example/login-events").body(Empty::new())?;
//! let response = client.oneshot(event).await?;
//! assert_eq!(response.status(), 202);
//! assert!(response.extensions().get::<Detached>().is_some());
//!
//! // At the end of the program: what is pending gets ten seconds.
//! let report = queue.shutdown(Duration::from_secs(10)).await;
//! assert_eq!(report.failed(), 1);
//! let failure = losses.recv().await.unwrap();
//! assert_eq!(failure.request().path(), "/login-events");
//! assert_eq!(failure.class(), Some(ErrorClass::Unavailable));
//! # Ok(())
//! # }
//! ```
//!
//! # What happens to a request
//!
//! ```text
//!   call ──── no endpoint names it ─────────────────────────────► the inner service, as if this layer were not there
//!     │
//!     ├─ the queue is full or shut down, or there is no runtime ─► NotQueued, at once: nothing will be sent
//!     ▼
//!   202 with an empty body, marked Detached
//!     ┊
//!   waiting ── a worker is free ──► a clone is made ready ──► sending ──► on_success or on_failure, and the
//!     │                                  │                       │        answer's body is read away
//!     ├─ Discarded                       └───────┬───────────────┘
//!     └─ when the deadline of a shutdown comes   └─ Interrupted
//! ```
//!
//! * **A 202 says that the request was taken on, and nothing else.** Each request that was answered with it comes to one end
//!   that is told once: a [`Success`], or a [`Failure`] with its [`Cause`].
//! * A failure is *final* here: this layer sends once. What is inside of it sends again, waits for its turn and gets a token
//!   as for any other request.
//! * An answer is a failure if another layer has left a [`Classification`](crate::classify::Classification) on it, or else if
//!   the [classifier](DetachLayer::classifier) says so.
//! * Requests leave the queue in the order in which they came. Since several are under way at a time, they may reach the
//!   server in another.
//! * The answer's body is read to its end (64 KiB and two seconds of it at most) and thrown away, so that the connection is
//!   kept. A body that breaks off changes nothing: the head has decided.
//! * The request's extensions travel with it, except for its [`Deadline`](crate::extensions::Deadline): neither that one nor the
//!   time limits around the caller bound what is done after the caller has its answer.
//! * The request's body is read later as well. One that streams from a request which your server answers meanwhile breaks off
//!   there: collect it first.
//! * The `tracing` span of the call is that of the sending too, and of what is logged there. It stays open until the end.
//! * An inner service that panics is a `Failure`, and the next request goes on.
//!
//! # Where it runs
//!
//! Nothing is spawned by a constructor. A call has a task spawned on the runtime that it is made in, up to
//! [`max_concurrent`](DetachLayer::max_concurrent) of them, and each goes when nothing waits. So a layer, a service or a handle
//! that is forgotten leaves no task behind, and a queue that is not used has none.
//!
//! * *The last layer, service and handle dropped*: what is pending is worked off all the same.
//! * *The runtime dropped*: what was under way in it is `Interrupted`, and what waits goes on with the next call, or with a
//!   [`shutdown`](DetachHandle::shutdown), in the runtime of that. If there is none, it is `Discarded` with the last of layers,
//!   services and handles.
//! * *The runtime kept and not driven*: what it has is not sent, until it is driven or dropped.
//!
//! # Defaults
//!
//! | setting | default | at the limit |
//! |---|---|---|
//! | [`endpoint`](DetachLayer::endpoint) | none: nothing is detached | |
//! | [`max_queued`](DetachLayer::max_queued) | [1,000](DetachLayer::DEFAULT_MAX_QUEUED) | [`NotQueued`], at once |
//! | [`max_concurrent`](DetachLayer::max_concurrent) | [4](DetachLayer::DEFAULT_MAX_CONCURRENT) | the others wait |
//! | time for a request | none of its own: that of a [`TimeoutLayer`](crate::TimeoutLayer) inside | a `Failure` with its [`Elapsed`](crate::timeout::Elapsed) |
//! | [`classifier`](DetachLayer::classifier) | [`Preset::Standard`](crate::classify::Preset::Standard) | |
//! | [`on_failure`](DetachLayer::on_failure), [`on_success`](DetachLayer::on_success) | none; failures are logged | |
//! | [`clock`](DetachLayer::clock) | the machine's | |
//!
//! The bound of the queue is a number of requests. Their bodies are kept with them, so where they are large it has to be small.
//!
//! # Cost
//!
//! A request that passes through costs no allocation. One that is detached is boxed, and takes a lock for a few lines where it
//! is taken on, begun and ended.
//!
//! # Readiness
//!
//! `poll_ready` is the inner service's: which endpoint a request is for is not known before the call. A request that passes
//! through uses the instance that was made ready. One that is detached lets it go, with whatever it holds, and is sent by a
//! clone that a worker makes ready when the request's turn has come, so that no permit is held in the queue. An error of that
//! readiness is a `Failure`.
//!
//! # Cancellation
//!
//! A request is taken on in `call`. Dropping the future of a detached call does not take it back; dropping any other drops the
//! inner one.
//!
//! # Cloning
//!
//! Clones of the layer, its services, their clones and the handles share one queue, and a shutdown is for all of them. A setter
//! changes one layer and none of its clones.
//!
//! # Ordering
//!
//! **Outside** of all other layers of this crate: what is inside is done in the background, what is outside bounds, repeats or
//! replaces the 202 alone.
//!
//! * A [`TimeoutLayer`](crate::TimeoutLayer) goes **inside**. Without one, a request that hangs takes one of the few places for
//!   ever. The [`Stack`](crate::Stack) has one of [30 s](crate::Stack::CALL_TIMEOUT), in which a retry waits no longer than
//!   that: give detached endpoints more.
//! * A [`RetryOnRateLimit`](crate::RetryOnRateLimit) goes **inside**; outside, it repeats nothing but a full queue's refusal.
//! * A [`ThrottleLayer`](crate::ThrottleLayer) inside serves all alike, so give detached endpoints the priority
//!   [`Low`](crate::extensions::Priority::Low) there, and they let pass who waits for an answer.
//! * With an [`ErrorClassifyLayer`](crate::ErrorClassifyLayer) inside, a detached 401 counts for the session as any other does.
//!
//! # Errors
//!
//! * [`NotQueued`] with its [`Obstacle`]: the queue is full or shut down, or the call was made outside of a tokio runtime.
//!   Nothing was sent and nothing will be. It is found through any wrapping by [`find`](crate::error::find). The class of a
//!   full queue is [`Throttled`](crate::classify::ErrorClass::Throttled), the others have none: waiting does not mend them.
//! * The inner service's errors, unchanged, of requests that pass through. Those of the others are for
//!   [`on_failure`](DetachLayer::on_failure).
//!
//! # Panics
//!
//! The runtime of a detached call has to have its timers enabled: the reading away of an answer that is not there at once sets
//! one. Without it that panics in the background, which costs the connection and nothing else.
//!
//! # Events
//!
//! With the target `tower_heed::detach`:
//!
//! | level | message | fields |
//! |---|---|---|
//! | `WARN` | `a detached request came to nothing` | `endpoint`, `cause`, `class` and `status` if known |
//! | `WARN` | `the queue of detached requests is full`, at the first refusal | `max_queued` |
//! | `INFO` | `the queue of detached requests has room again`, when it is half empty | `refused` |
//! | `INFO` | `the queue of detached requests was shut down` | `completed`, `failed`, `dropped` |
//! | `ERROR` | `the callback of a detached request panicked` | |

mod body;
mod config;
mod drain;
mod events;
mod future;
mod handle;
mod layer;
mod outcome;
mod queue;
mod send;
mod service;
mod state;
mod ticket;
mod worker;

pub use crate::error::{NotQueued, Obstacle};
pub use body::DetachBody;
pub use config::Config;
pub use future::{Detached, ResponseFuture};
pub use handle::{DetachHandle, Report};
pub use layer::DetachLayer;
pub use outcome::{Cause, Failure, Success, Summary};
pub use service::Detach;
