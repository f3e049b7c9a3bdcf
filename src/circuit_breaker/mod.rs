//! Fails at once while the upstream is down, and finds out by single requests whether it is back.
//!
//! Without it each caller of an upstream that hangs waits for its own time limit, and each keeps a connection and a task for as long.
//! Use it on every client whose callers are people, with a [`FallbackLayer`](crate::FallbackLayer) around it that responds. It needs no
//! setting. Leave it out where a failure concerns single requests only, such as a proxy to any server that its users name.
//!
//! It goes by what failures mean, and not by status codes of your choice:
//!
//! | response or error | counts as |
//! |---|---|
//! | `Unavailable` (5xx), `Timeout`, `Connect`, `Interrupted` | a failure |
//! | a call whose [`Deadline`](crate::extensions::Deadline) passes while the request is in flight | a failure, of the class `Timeout` |
//! | `RateLimited`, `Unauthenticated`, `Forbidden`, `Rejected`, and 408, 425, 501, 505 and gRPC's `DEADLINE_EXCEEDED`, which the caller can cause | a response: the server is there |
//! | `Throttled`, `TokenUnavailable`, an unknown error, a caller who leaves | nothing |
//! | `Timeout` or `Interrupted`, or a deadline that passes, while a [`ReplayBody`](crate::body::ReplayBody) is still being read | nothing: the caller may be the slow one |
//!
//! # Example
//!
//! ```
//! use std::convert::Infallible;
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_heed::{CircuitBreakerLayer, Error, ErrorKind};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), tower_heed::BoxError> {
//! // An API that is down.
//! let http = service_fn(async |_: Request<Full<Bytes>>| {
//!     Ok::<_, Infallible>(Response::builder().status(503).body(Full::<Bytes>::default()).unwrap())
//! });
//! let client = CircuitBreakerLayer::new().layer(http);
//! let get = || Request::get("https://id.example/users/7").body(Full::default());
//!
//! for _ in 0..5 {
//!     assert_eq!(client.clone().oneshot(get()?).await?.status(), 503);
//! }
//! let error = client.oneshot(get()?).await.unwrap_err(); // at once, and not sent
//! let error: &Error = error.downcast_ref().unwrap();
//! assert!(matches!(error.kind(), ErrorKind::CircuitOpen { .. }));
//! assert!(error.retry_after().is_some());
//! # Ok(())
//! # }
//! ```
//!
//! # States
//!
//! ```text
//!               five failures in a row                       its time is over, and a request comes
//!   ┌────────┐ ───────────────────────► ┌──────────────────┐ ──────────────────────► ┌─────────────────┐
//!   │ closed │                          │ open for 5 s,    │                         │ half-open:      │
//!   └────────┘ ◄─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ │ 10, 20, 40, 60 s │ ◄────────────────────── │ one probes      │
//!       ▲        forgotten after 2 min  └──────────────────┘  it fails, or hangs     └─────────────────┘
//!       │                                                     for 10 s                        │
//!       └─────────────────────────────────────────────────────────────────────────────────────┘
//!                                             it responds
//! ```
//!
//! * **Failures in a row**, each within two minutes of the one before, open a circuit. So one endpoint of ten that fails keeps nobody
//!   else back, and a client with one call an hour always calls.
//! * **A server that fails half of its requests is not cut off.** Where failures and responses have come by turns, as behind a load balancer with a
//!   bad host, so many failures in a row are needed that such a server shows them once in 10,000 requests: up to four times
//!   as many. Retries are the answer to such a server.
//! * **One request probes**, the next one that comes; the others fail. One that responds closes the circuit at once, be it with a 429,
//!   which is the throttle's matter. If its caller leaves, the next request probes, and if its upload is not over after a second, the
//!   next one probes as well: so no caller keeps a circuit open. A probe that hangs for ten seconds otherwise has failed, and its late
//!   response still closes the circuit. Only a failure and such a hang make the next wait longer.
//! * `Retry-After` of a failure is obeyed if it is longer than the circuit would be open, up to an hour.
//! * Requests that were sent before a change do not count after it.
//!
//! A circuit is for an *origin*, or for an endpoint at an origin by [`own_circuit`](CircuitBreakerConfig::own_circuit); an endpoint that
//! is [`exempt`](CircuitBreakerConfig::exempt) has none. [`common_circuit`](CircuitBreakerConfig::common_circuit) undoes both for a
//! narrower pattern. One host of many behind one origin is the load balancer's matter, which sees them.
//!
//! While the circuit of an origin is open, a [`FallbackLayer`](crate::FallbackLayer) that fails open responds for the healthy
//! endpoints of the origin too. So a client that can make one endpoint fail, by requests that are expensive or crash it, opens all
//! others: give such an endpoint [`own_circuit`](CircuitBreakerConfig::own_circuit).
//!
//! # Defaults
//!
//! | setting | default | |
//! |---|---|---|
//! | [`failures`](CircuitBreakerLayer::failures) | [5](CircuitBreakerLayer::DEFAULT_FAILURES) | up to 20 for a server that fails by turns |
//! | [`open_for`](CircuitBreakerLayer::open_for) | [5 s](CircuitBreakerLayer::DEFAULT_OPEN_FOR), doubled up to [1 min](CircuitBreakerLayer::DEFAULT_MAX_OPEN) | a longer `Retry-After` takes precedence |
//! | [`endpoint`](CircuitBreakerLayer::endpoint) | none | |
//! | [`classifier`](CircuitBreakerLayer::classifier), for responses without a [`Classification`](crate::classify::Classification) | [`Preset::Standard`](crate::classify::Preset::Standard) | |
//!
//! Only keys that have failed lately hold state, a thousand of them. If there are more, the key with the fewest failures among eight is
//! forgotten for a new one. An open circuit is never forgotten for another key; if all eight are open, the new key is not protected.
//!
//! # Cost
//!
//! While no key has failed lately, a call costs a hash of its origin, references to it, and no lock. Otherwise it takes one brief lock
//! at its start and one at its end. A rejected call allocates its error.
//!
//! # Readiness
//!
//! `poll_ready` is the inner service's, open or not: the origin is not known before the call. A rejected call drops the ready instance
//! with its permits.
//!
//! # Cancellation
//!
//! Dropping the future drops the inner one, and a probe makes room for the next. A caller who leaves says nothing about the upstream,
//! unless the call's [`Deadline`](crate::extensions::Deadline) has passed: that of a [`TimeoutLayer`](crate::TimeoutLayer) around it or
//! of the request's extensions. A time limit that only drops the future, such as `tokio::time::timeout`, is not seen.
//!
//! # Cloning
//!
//! Clones of a layer and all their services share the circuits. A setter changes one layer and none of its clones.
//!
//! # Ordering
//!
//! **Inside** [`RetryOnRateLimit`](crate::RetryOnRateLimit) and **outside** [`ThrottleLayer`](crate::ThrottleLayer), where
//! [`Stack::circuit_breaker`](crate::Stack::circuit_breaker) puts it. Inside, because each attempt is evidence: when a thousand callers hang, the
//! first attempt of each opens the circuit, and their retries fail at once. Outside, the circuit would be closed until five
//! callers have waited for all of their attempts. The retry layer does not retry an open circuit, which would be to hang again.
//! Outside the throttle, so that nobody waits for a permit to a server that is down.
//!
//! An attempt's [`TimeoutLayer`](crate::TimeoutLayer) goes inside, so that an upstream that hangs is seen soon.
//!
//! # Errors
//!
//! An [`Error`](crate::Error) of the kind [`CircuitOpen`](crate::ErrorKind::CircuitOpen) with the class
//! [`Throttled`](crate::classify::ErrorClass::Throttled), whose cause is the last failure's class, and the time to the next probe. A
//! [`FallbackLayer`](crate::FallbackLayer) responds for it, and with the feature `axum` it becomes a 503 with `Retry-After`. Other
//! errors pass through.
//!
//! # Events
//!
//! The target is `tower_heed::circuit_breaker`. None contains a path or a query.
//!
//! | level | message | fields |
//! |---|---|---|
//! | `WARN` | `circuit opened`, also by a probe that failed | `key`, `endpoint` (the pattern of the last request), `class`, `failures`, `wait_ms` |
//! | `INFO` | `circuit closed` | `key`, `endpoint` |
//!
//! Each event of a [named](CircuitBreakerLayer::name) layer has the name as `stack`. A
//! [handle](CircuitBreakerLayer::handle) shows the circuits.
//!
//! # Others
//!
//! `tower-resilience`'s breaker keeps one circuit for all that is behind it, opens by a rate over a window, and knows neither origins nor
//! `Retry-After`; around a client for several hosts one of them would cut off all. Linkerd counts consecutive failures
//! (seven) and lets one request probe, as this layer does; Envoy ejects single hosts, which it sees. Polly and resilience4j open by a
//! rate over a window with a least number of calls, by which a client with few calls is never protected.

mod call;
mod circuit;
mod circuits;
mod config;
mod events;
mod future;
mod handle;
mod key;
mod layer;
mod service;

pub use config::CircuitBreakerConfig;
pub use future::ResponseFuture;
pub use handle::{CircuitBreakerHandle, CircuitSnapshot, CircuitState};
pub use layer::CircuitBreakerLayer;
pub use service::CircuitBreaker;
