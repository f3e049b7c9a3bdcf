//! Sends a request again when the server refused or failed it, after the wait that the server asked for.
//!
//! Use it around every client of an API that has limits. It waits as long as `Retry-After` or the rate-limit headers
//! say, or by exponential backoff where they say nothing, and gives the answer back at once where waiting is no use:
//! when the wait would pass the deadline, when the request must not be repeated, when the shared budget is spent. It
//! reacts to refusals; it does not prevent them. Do not use it for requests whose bodies are long streams: they are
//! sent once.
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
//! // Refuses the first send for seven seconds.
//! let api = service_fn(|request: Request<Empty<&'static [u8]>>| async move {
//!     let response = match request.extensions().get::<Attempt>() {
//!         None => Response::builder().status(429).header("retry-after", "7"),
//!         Some(_) => Response::builder().status(200),
//!     };
//!     Ok::<_, BoxError>(response.body(Empty::<&[u8]>::new())?)
//! });
//! let layer = RetryOnRateLimit::new()
//!     .max_retries(3)
//!     .endpoint("POST /api/v2/jobs", |config| config.idempotent())?;
//! let client = ServiceBuilder::new().layer(layer).service(api);
//!
//! let start = Instant::now();
//! let response = client.oneshot(Request::new(Empty::new())).await?;
//! assert_eq!(response.status(), StatusCode::OK);
//! assert!((Instant::now() - start).as_secs() >= 7);
//! assert_eq!(response.extensions().get::<RetryOutcome>().unwrap().sends(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! # What is sent again
//!
//! What an answer means is what another layer has left on it as a [`Classification`](crate::classify::Classification),
//! else what the [classifier](RetryOnRateLimit::classifier) says. [`Decision`](crate::retry::Decision) is the table:
//!
//! | the answer or error | [repeatable](crate::retry::Repeatable) requests | others | least wait | budget |
//! |---|---|---|---|---|
//! | `RateLimited`, `Throttled` | again | again: it was refused | as told, else backoff | free |
//! | `Unavailable` with `Retry-After` | again | again on 503, else returned | as told | one |
//! | `Unavailable`, `Timeout`, `Interrupted` | again | returned: it may have been carried out | backoff | one |
//! | `Connect` | again | again: it never left | backoff | one |
//! | 501, 505 | returned | returned | | |
//! | `Unauthenticated`, `Forbidden`, `Rejected` | returned | returned | | |
//! | `TokenUnavailable` | as its cause | as its cause | as told, else backoff | as its cause |
//! | 401 with [`TokenReplaced`](crate::extensions::TokenReplaced) | again, once | again, once | none | free |
//! | an error of unknown meaning | returned | returned | | |
//!
//! Repeatable are the safe methods (GET, HEAD, OPTIONS, TRACE), requests with an `Idempotency-Key`, those marked
//! [`Idempotent`](crate::extensions::Idempotent), and those to endpoints [declared so](Config::idempotent). A request
//! marked [`NoRetry`](crate::extensions::NoRetry) is sent once.
//!
//! # How long it waits
//!
//! The wait before retry *n* is the larger of what the server asked for and the backoff step (1 s, 2 s, 4 s ... 30 s),
//! and jitter on top: up to a whole step, drawn anew for each wait, so that callers who were refused together come back
//! apart and none before the time that was named. It is counted from the moment the head of the answer was read. A send
//! waits for the inner service's readiness after that.
//!
//! The steps grow also where the server names the wait, so that callers who are refused again and again come back further
//! apart. For an API that counts by the second that is more than is needed: give its
//! [`backoff`](RetryOnRateLimit::backoff) a cap of a window or two.
//!
//! A wait that would pass [`max_wait`](RetryOnRateLimit::max_wait) or the [`Deadline`](crate::extensions::Deadline) is not
//! begun, and never cut short: the answer is returned at once, and its [`RetryOutcome`] says how long to wait. The
//! number of retries holds whatever the server says. Retries after failures (not after refusals) are taken from a
//! [budget](crate::retry::RetryBudget) that all calls share.
//!
//! ```text
//!               call
//!                │
//!                ▼
//!   ┌──────► sending ─────── a success, or nothing to wait for ───────► the answer, as it is
//!   │            │ it failed, and the table and all bounds say: again
//!   │            ▼
//!   │        draining        the refused answer is read to its end and let go, so that its
//!   │            │           connection can be used again: 64 KiB and 1 s at most
//!   │            ▼
//!   │        sleeping        until the time that the server or the backoff named, and the jitter
//!   │            │
//!   │            ▼
//!   └──────── readying       until the inner service is ready once more
//! ```
//!
//! # What it says
//!
//! A [`RetryOutcome`] in the extensions of each answer that took more than one send and of each failing answer. A
//! request that is sent again carries an [`Attempt`](crate::extensions::Attempt). And events, target `tower_heed::retry`:
//!
//! | event | level | fields |
//! |---|---|---|
//! | `waiting before the request is sent again` | info | `endpoint`, `class`, `status`, `wait_ms`, `retries` |
//! | `the request is not sent again` | warn where a bound forbade a retry, else debug | these, and `stopped` |
//!
//! `endpoint` is the pattern that matched, `class` and `stopped` are names of [`ErrorClass`](crate::classify::ErrorClass)
//! and [`Stopped`](crate::retry::Stopped) in snake case, `wait_ms` is the wait begun or, at the end, what the server
//! asked for, and `retries` counts those before. What is not known is left out. A success has no event.
//!
//! # Defaults
//!
//! | setting | value |
//! |---|---|
//! | [`max_retries`](RetryOnRateLimit::max_retries) | [5](crate::retry::Limits::DEFAULT_MAX_RETRIES) |
//! | [`max_wait`](RetryOnRateLimit::max_wait) | [90 s](crate::retry::Limits::DEFAULT_MAX_WAIT) |
//! | [`backoff`](RetryOnRateLimit::backoff) | [1 s](crate::retry::Backoff::DEFAULT_FIRST), doubling up to [30 s](crate::retry::Backoff::DEFAULT_CAP), jitter of up to [the whole step](crate::retry::Backoff::DEFAULT_JITTER_RATIO) |
//! | [`budget`](RetryOnRateLimit::budget) | [ten a second, and one for every five successes](crate::retry::RetryBudget) |
//! | [`classifier`](RetryOnRateLimit::classifier) | [`Preset::Standard`](crate::classify::Preset::Standard) |
//! | [`clock`](RetryOnRateLimit::clock) | the machine's |
//! | [`endpoint`](RetryOnRateLimit::endpoint) | none |
//!
//! # Cost
//!
//! A copy of the request is kept until the answer is there: one allocation for the header fields, and what the clones
//! of the body and of the extensions take. A call that succeeds at the first send costs nothing more: the rate-limit
//! headers of a success are not read. It pays into the budget, for which tower's takes a lock for a moment;
//! [`RetryBudget::unlimited`](crate::retry::RetryBudget::unlimited) takes none. Each further send takes another copy, and each wait one allocation.
//!
//! # Readiness
//!
//! `poll_ready` is the inner service's. The first send goes to the instance that was made ready; each further one to a
//! clone, which is made ready before it. Nothing of the inner service's is held through a wait: the failed send and its
//! permit are let go before.
//!
//! # Cancellation
//!
//! A dropped future drops the send that is on its way, or the wait, and with it the copy of the request. Nothing is
//! sent afterwards, and nothing runs on a task of its own.
//!
//! # Cloning
//!
//! Clones of the layer and of the service share their settings and the budget. A setter changes one layer and none of
//! its clones, and the budget stays shared. Each call has its own count and its own jitter.
//!
//! # Ordering
//!
//! * [`TimeoutLayer`](crate::TimeoutLayer) **outside** bounds the call with all its waits, and its deadline keeps this
//!   layer from waits that would be in vain; **inside** it bounds each send, and a send that ran out of time is sent
//!   again.
//! * What attaches tokens goes **inside**, so that a send after a long wait carries a token that is valid then.
//! * [`ErrorClassifyLayer`](crate::ErrorClassifyLayer) goes **inside**, so that it sees each answer; outside it sees
//!   the last. With `error_for_status` the answer becomes an error there, which is understood as the answer would be.
//! * A body that is not `Clone` needs [`ReplayBodyLayer`](crate::body::ReplayBodyLayer) **outside**. A body over its
//!   cap is sent once.
//! * `tower::limit::ConcurrencyLimit` goes **inside**: a call that waits holds no permit.
//!
//! # Errors
//!
//! Errors of the inner service, of its readiness before a further send as well, as they are: this layer makes none of
//! its own. When the last send ends in an error, the answers of earlier sends are gone.
//!
//! # Panics
//!
//! The future panics when a wait begins outside of a tokio runtime that has its timers enabled.

mod backoff;
mod budget;
mod call;
mod config;
mod decision;
mod events;
mod future;
mod layer;
mod limits;
mod outcome;
mod policy;
mod progress;
mod repeatable;
mod saved;
mod service;
mod stopped;
mod wait;

pub use backoff::Backoff;
pub use budget::RetryBudget;
pub(crate) use budget::Taken;
pub use config::Config;
pub use decision::{Cost, Decision};
pub use future::ResponseFuture;
pub use layer::RetryOnRateLimit;
pub use limits::Limits;
pub use outcome::RetryOutcome;
pub use policy::{PauseFuture, Policy};
pub use progress::Progress;
pub use repeatable::Repeatable;
pub use service::RetryOnRateLimitService;
pub use stopped::Stopped;
