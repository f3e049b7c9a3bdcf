//! Responds `202 Accepted` at once for named endpoints, and sends their requests in the background. **The queue is in memory only**:
//! a crash, a kill or an out-of-memory loses it, and so does a shutdown that reaches its limit. If loss is not acceptable (an
//! invoice, an audit trail, the deletion of a user), store the work in the transaction it belongs to and send it from there: an
//! outbox table in your database, or a durable queue (RabbitMQ, NATS JetStream, Kafka, SQS).
//!
//! Use it for requests that a login must not wait for and can do without: login events, "last seen", metrics, warming up a cache. Do
//! not use it for requests whose response decides something, nor to get around a limit: the number of requests stays the same.
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
//! // An API that is down.
//! let api = service_fn(async |_: Request<Empty<&'static [u8]>>| {
//!     Ok::<_, Infallible>(Response::builder().status(503).body(Empty::<&[u8]>::new()).unwrap())
//! });
//! let (sender, mut failures) = mpsc::unbounded_channel();
//! let detach = DetachLayer::new()
//!     .endpoint("POST /login-events".parse()?, |config| config)
//!     .on_failure(move |request, failure| drop(sender.send((request, failure))));
//! let queue = detach.handle();
//! // The background has more time than a login.
//! let timeout = TimeoutLayer::new(Duration::from_secs(30))
//!     .endpoint("POST /login-events".parse()?, |config| config.limit(Duration::from_secs(600)));
//! let client = ServiceBuilder::new()
//!     .layer(detach)
//!     .service(Stack::new().call_timeout(timeout).service(api));
//!
//! let event = Request::post("https://id.example/login-events").body(Empty::new())?;
//! let response = client.oneshot(event).await?;
//! assert_eq!(response.status(), 202);
//! assert!(response.extensions().get::<Detached>().is_some());
//!
//! // At the end of the program, pending requests have ten seconds.
//! let report = queue.shutdown(Duration::from_secs(10)).await;
//! assert_eq!(report.failed(), 1);
//! let (request, failure) = failures.recv().await.unwrap();
//! assert_eq!(request.path(), "/login-events");
//! assert_eq!(failure.class(), Some(ErrorClass::Unavailable));
//! # Ok(())
//! # }
//! ```
//!
//! # What happens to a request
//!
//! ```text
//!   call ──── no endpoint names it ─────────────────────────────► the inner service
//!     │
//!     ├─ the queue is full or shut down, or there is no runtime ─► NotQueued, at once: never sent
//!     ▼
//!   202 with an empty body, marked Detached
//!     ┊
//!   queued ─── a worker is free ──► a clone is made ready ──► in flight ──► on_success or on_failure,
//!     │                                  │                       │          and the response body is drained
//!     ├─ Discarded                       └───────┬───────────────┘
//!     └─ at the limit of a shutdown              └─ Interrupted
//! ```
//!
//! * **A request is detached only if no reading of its path makes it another endpoint's**, and a safe method (`GET`, `HEAD`, `OPTIONS`,
//!   `TRACE`, `QUERY`) only if the pattern names it. See [other spellings](crate::EndpointPattern#other-spellings).
//! * **A 202 says only that the request was queued.** Each such request ends once: in [`on_success`](DetachLayer::on_success), or in
//!   [`on_failure`](DetachLayer::on_failure) with a [`Failure`].
//! * A failure is *final*: this layer makes one attempt. The layers inside retry, throttle and attach tokens as for any request.
//! * A response is a failure if an inner layer has left a [`Classification`](crate::classify::Classification) on it, or else if the
//!   [classifier](DetachLayer::classifier) says so.
//! * Requests leave the queue in the order of their calls. With several in flight, they may reach the server in another order.
//! * The response body is drained (at most 64 KiB and two seconds of it), so that the connection is kept. A body that breaks off
//!   changes nothing: the head decides.
//! * The request keeps its extensions except for its [`Deadline`](crate::extensions::Deadline): neither that nor the time limits
//!   around the caller apply after the 202.
//! * The request body is read later too. A body that streams from a request to your server breaks off when your server responds:
//!   collect it first.
//! * Sending and its logs are in the `tracing` span of the call, which stays open until the end.
//! * If the inner service panics, the request is a `Failure`, and the next one goes on.
//!
//! # Tasks
//!
//! No constructor spawns. A call spawns a task on its runtime, up to [`max_concurrent`](DetachLayer::max_concurrent) of them, and
//! each task ends when the queue is empty. So a dropped layer, service or handle leaves no task behind, and an unused queue has
//! none.
//!
//! * *The last layer, service and handle are dropped*: pending requests are still sent.
//! * *The runtime is dropped*: its requests in flight are `Interrupted`. Queued ones are sent with the next call or
//!   [`shutdown`](DetachHandle::shutdown), on that runtime. Without one they are `Discarded` with the last layer, service or handle.
//!
//! # Defaults
//!
//! | setting | default | when it is reached |
//! |---|---|---|
//! | [`endpoint`](DetachLayer::endpoint) | none: nothing is detached; [`attached`](DetachConfig::attached) makes an exception from a wider pattern | |
//! | [`max_queued`](DetachLayer::max_queued) | [1,000](DetachLayer::DEFAULT_MAX_QUEUED) | `NotQueued`, at once |
//! | [`max_concurrent`](DetachLayer::max_concurrent) | [4](DetachLayer::DEFAULT_MAX_CONCURRENT) | the others wait |
//! | time for a request | none: the limit of a [`TimeoutLayer`](crate::TimeoutLayer) inside | a `Failure` with its error |
//! | [`classifier`](DetachLayer::classifier) | [`Preset::Standard`](crate::classify::Preset::Standard) | |
//! | [`on_failure`](DetachLayer::on_failure), [`on_success`](DetachLayer::on_success) | none; failures are logged | |
//! | [`clock`](DetachLayer::clock) | the machine's | |
//!
//! The queue is bounded in requests and keeps their bodies. Make it small if bodies are large.
//!
//! # Cost
//!
//! A request that passes through costs no allocation. A detached one is boxed, and takes three brief locks.
//!
//! # Readiness
//!
//! `poll_ready` is the inner service's: the endpoint is not known before the call. A request that passes through uses the ready
//! instance. A detached request drops it with its permits, and is sent by a clone that a worker makes ready, so that nothing is held
//! in the queue. If that readiness fails or takes more than 90 seconds, the request is a `Failure`.
//!
//! # Cancellation
//!
//! `call` queues the request. Dropping the future of a detached call does not take the request back; dropping any other drops the
//! inner future.
//!
//! # Cloning
//!
//! Clones of the layer, its services and its handles share one queue, and a shutdown applies to all of them. A setter changes one
//! layer and none of its clones.
//!
//! # Ordering
//!
//! **Outside** all other layers of this crate. The layers inside run in the background; layers outside apply to the 202 only.
//!
//! * A [`TimeoutLayer`](crate::TimeoutLayer) goes **inside**. Without one, a request that hangs occupies a worker for good. The
//!   [`Stack`](crate::Stack) has one of [30 s](crate::Stack::CALL_TIMEOUT), which a retry's wait cannot exceed: give detached
//!   endpoints more.
//! * A [`RetryOnRateLimit`](crate::RetryOnRateLimit) goes **inside**. Outside, it retries only when the queue is full.
//! * A [`ThrottleLayer`](crate::ThrottleLayer) inside treats all requests alike: give detached endpoints the priority
//!   [`Low`](crate::extensions::Priority::Low), so that calls that wait for a response go first.
//! * With an [`ErrorClassifyLayer`](crate::ErrorClassifyLayer) inside, a detached 401 counts for the session like any other.
//!
//! # Errors
//!
//! * An [`Error`](crate::Error) of the kind [`NotQueued`](crate::ErrorKind::NotQueued), with its
//!   [`NotQueuedReason`](crate::error::NotQueuedReason): the queue is full or shut down, or the call was made outside of a tokio
//!   runtime. The request is never sent. If the queue is full, the class is
//!   [`Throttled`](crate::classify::ErrorClass::Throttled). The other reasons have no class, because waiting does not help.
//! * The inner service's errors, unchanged, of requests that pass through. Those of detached requests go to
//!   [`on_failure`](DetachLayer::on_failure).
//!
//! # Panics
//!
//! Draining a response body that is not there at once sets a timer, which panics outside a tokio runtime with time enabled. The panic
//! costs the connection and has no other effect.
//!
//! # Events
//!
//! With the target `tower_heed::detach`:
//!
//! | level | message | fields |
//! |---|---|---|
//! | `WARN` | `detached request failed` | `endpoint`, `cause`, `class` and `status` if known |
//! | `WARN` | `queue of detached requests is full`, at the first rejection | `max_queued` |
//! | `INFO` | `queue of detached requests has room again`, once it is half empty | `rejected` |
//! | `INFO` | `queue of detached requests was shut down` | `succeeded`, `failed`, `dropped` |
//! | `ERROR` | `callback of a detached request panicked` | |
//!
//! Each event of a [named](DetachLayer::name) layer has the name as `stack`.

mod body;
mod events;
mod failure;
mod future;
mod handle;
mod layer;
mod pending;
mod queue;
mod send;
mod service;
mod shutdown;
mod state;
mod worker;

pub use body::DetachBody;
pub use failure::{DetachedRequest, Failure};
pub use future::{Detached, ResponseFuture};
pub use handle::{DetachHandle, DetachReport};
pub use layer::{DetachConfig, DetachLayer};
pub use service::Detach;
