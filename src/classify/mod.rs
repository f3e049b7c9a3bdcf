//! Classifies each response, and tracks whether the client is still signed in.
//!
//! Use it on every client of an API with sign-in or rate limits. A 429, a failing server and a timeout say nothing about the
//! credentials, so they never sign anyone out and never start a recovery. A layer is one *session*, signed in or signed out by a 401: make one for each set of
//! credentials. For a proxy that forwards its users' own credentials only the classification is of use.
//!
//! The layer leaves a [`Classification`] in the extensions of each failing response, or turns the response into an
//! [`Error`](crate::Error). A success passes untouched.
//!
//! # Example
//!
//! ```
//! use http::{Request, Response};
//! use http_body_util::Empty;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_heed::{BoxError, ErrorClassifyLayer, classify::{AuthStatus, Classification, ErrorClass}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! // Stands for an HTTP client: it responds 429 to `/429`, and so on.
//! let http = service_fn(async |request: Request<Empty<bytes::Bytes>>| {
//!     let status = request.uri().path()[1..].parse::<u16>()?;
//!     Ok::<_, BoxError>(Response::builder().status(status).body(Empty::<bytes::Bytes>::new())?)
//! });
//!
//! let layer = ErrorClassifyLayer::new()
//!     .on_unauthenticated(|| async { println!("sign in again") });
//! let status = layer.status();
//! let client = ServiceBuilder::new().layer(layer).service(http);
//! let get = |path| Request::get(path).body(Empty::new());
//!
//! let response = client.clone().oneshot(get("/429")?).await?;
//! let classification = response.extensions().get::<Classification>().unwrap();
//! assert_eq!(classification.class(), ErrorClass::RateLimited);
//! assert_eq!(status.get(), AuthStatus::Degraded); // rate limited, and still signed in
//!
//! client.clone().oneshot(get("/401")?).await?;
//! assert_eq!(status.get(), AuthStatus::Unauthenticated); // the handler runs, once
//!
//! client.clone().oneshot(get("/200")?).await?;
//! assert_eq!(status.get(), AuthStatus::Active);
//! # Ok(())
//! # }
//! ```
//!
//! # Status
//!
//! ```text
//!               429, 5xx, timeout, no connection
//!  ┌─────────┐ ─────────────────────────────────► ┌──────────┐
//!  │ Unknown │ 2xx, 3xx                           │ Degraded │
//!  └─────────┘ ────────► ┌────────┐ ────────────► └──────────┘
//!       │                │ Active │ ◄──────────────    │
//!       │                └────────┘    2xx, 3xx        │
//!   401 │             401 │    ▲ 2xx, 3xx to a         │ 401
//!       ▼                 ▼    │ request sent since    ▼
//!  ┌─────────────────────────────────────────────────────────┐
//!  │                     Unauthenticated                     │
//!  └─────────────────────────────────────────────────────────┘
//! ```
//!
//! | response or error | `Unknown` | `Active` | `Degraded` | `Unauthenticated` |
//! |---|---|---|---|---|
//! | a success: 2xx, 3xx | `Active` | | `Active` | `Active` |
//! | `RateLimited`, `Unavailable`, `Timeout`, `Connect`, `Interrupted`, `Throttled` | `Degraded` | `Degraded` | | |
//! | one of these that the caller can cause: 408, 425, 501, 505, gRPC's `DEADLINE_EXCEEDED`; `Timeout` or `Interrupted` while a [`ReplayBody`](crate::body::ReplayBody) is still being read | | | | |
//! | `Unauthenticated` | `Unauthenticated` | `Unauthenticated` | `Unauthenticated` | |
//! | `Forbidden`, `Rejected`, an unknown error, a response with [`TokenReplaced`] | | | | |
//!
//! An empty cell is no change. `TokenUnavailable` counts as its cause does; without a cause it changes nothing.
//!
//! * *A failure does not end a sign-out.* A 429 after a 401 says nothing about the credentials, so the 401 stands.
//! * *A 401 may mean what a 403 does.* One whose challenge says `insufficient_scope` or `invalid_request`, asks for a step-up or for
//!   a nonce (`use_dpop_nonce`) changes nothing: the credentials are good.
//! * *A dead grant is a sign-out.* A `TokenUnavailable` whose [`TokenError`](crate::error::TokenError::into_final) is final counts as a 401.
//! * *A 403, 404 or 409 proves nothing.* An API responds so after it has accepted the credentials, and a gateway before it
//!   has looked at them.
//! * *Late responses are recognized.* Of a hundred requests that fail together, the last 401 may arrive long after the
//!   recovery. A 401 counts only if its request was sent after the last recovery, and a success ends a sign-out only if its
//!   request was sent after that sign-out.
//! * *The classifier decides what a success is.* If an API redirects to its login page, handle that 302 in a [`Classifier`] of
//!   your own. If an endpoint takes no credentials, mark it [`public`](ClassifyConfig::public): a health check does not sign in.
//!
//! # Recovery
//!
//! The handler of [`on_unauthenticated`](ErrorClassifyLayer::on_unauthenticated) runs once for each change into
//! `Unauthenticated`, however many requests are rejected.
//!
//! * Two runs begin at least 30 s apart, doubling to 15 min while the runs are in vain. A sign-out meanwhile is handled when that time
//!   is over, if it still stands then: one task waits for it, and ends when the session or its handler is dropped.
//! * It runs on its own task, spawned on the runtime of the call that brought the change. That call gets its 401 at
//!   once. A request that should wait for the recovery does so with [`SessionStatus::until`].
//! * Nothing starts it while it runs, so it never runs twice at a time and no request that it sends starts it again. After the
//!   run, a 401 to a request that was sent before its end is ignored. A task that outlives the run marks its requests
//!   with [`Recovery`](crate::extensions::Recovery): they change the status and start nothing.
//! * If the session is signed out again while the handler runs (a success, then a 401), or by a request marked `Recovery`, the
//!   handler runs again at the first 401 to a request that was sent after the run.
//! * It does not run again while the status stays `Unauthenticated`: if a login fails, the handler has to retry it. A panic
//!   counts as a run; the next change starts the handler again.
//! * Outside of a tokio runtime a 401 does not start it, and is logged. The first 401 within a runtime starts it.
//!
//! # Events
//!
//! With the target `tower_heed::classify`. None holds a URL, a token or the text of a header.
//!
//! | level | message | fields |
//! |---|---|---|
//! | `WARN` | `rate limited`, for each response of the class `RateLimited` | `class`, `status`, `endpoint` (the pattern), `limit`, `remaining`, `reset_ms`, `retry_after_ms` (the header), `wait_ms` (the result); a field is left out if the server did not say |
//! | `WARN` into `Unauthenticated`, `INFO` out of it, else `DEBUG` | `auth status changed` | `from`, `to` |
//! | `ERROR` | `the unauthenticated handler panicked` | |
//! | `ERROR` | `the unauthenticated handler was not started: no tokio runtime on this thread` | |
//!
//! Each event of a [named](ErrorClassifyLayer::name) layer has the name as `stack`.
//!
//! # Defaults
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`classifier`](ErrorClassifyLayer::classifier) | [`Preset::Standard`] | the status codes of the RFCs |
//! | [`error_for_status`](ErrorClassifyLayer::error_for_status) | off | callers that read a status keep working |
//! | [`error_body_bytes`](ErrorClassifyLayer::error_body_bytes) | 8 KiB | room for a provider's message; a page of HTML is recognized by its first lines |
//! | [`error_body_wait`](ErrorClassifyLayer::error_body_wait) | 2 s | the body of an error follows its head within a round trip, unless the server hangs |
//! | [`on_unauthenticated`](ErrorClassifyLayer::on_unauthenticated) | none | |
//!
//! An endpoint starts from the [settings so far](crate::EndpointPattern#settings-so-far);
//! [`annotate_only`](ClassifyConfig::annotate_only) makes an exception from `error_for_status`. Where only the body tells the failure,
//! put a [`ClassifyBodyLayer`] around the client: see [`body`].
//!
//! # Readiness
//!
//! `poll_ready` is the inner service's. Its error passes unchanged and changes no status.
//!
//! # Cancellation
//!
//! Dropping the future drops the inner one, or the body that is being read, and changes no status. The handler goes on, because
//! it belongs to the session and not to the call. It ends with its runtime.
//!
//! # Cloning
//!
//! Clones of a layer and all their services share one session: its status, and the runs of the handler. Each clone has its own
//! settings and handler. Requests of a clone without a handler change the status; the sign-out that they cause is
//! handled by the first 401 to a client with a handler.
//!
//! A call costs a reference count and no allocation. A response that does not change the status takes no lock. A failing response
//! costs the extension, or the error and its body.
//!
//! # Ordering
//!
//! * Inside [`RetryOnRateLimit`](crate::RetryOnRateLimit), every attempt is classified and the status follows each. Outside, only
//!   the last response is seen.
//! * Around [`TokenCacheLayer`](crate::TokenCacheLayer), a 401 to a token that has been replaced is no sign-out, and an
//!   unavailable token counts as its cause does. Inside of it, every rejected token is a sign-out.
//! * Inside a [`TimeoutLayer`](crate::TimeoutLayer), whose deadline bounds the reading of an error's body.
//!
//! One such layer in a stack is enough: each logs the rate-limited responses that it sees.
//!
//! # Errors
//!
//! With [`error_for_status`](ErrorClassifyLayer::error_for_status) each failing response becomes an [`Error`](crate::Error) of the
//! kind [`Response`](crate::ErrorKind::Response), which all layers outside treat as they would the response. Errors of the inner
//! service pass unchanged.
//!
//! # Panics
//!
//! Outside of a tokio runtime with timers, reading an error's body panics if the body is not there at once. In a runtime without
//! timers the task panics that waits until the handler may run again.
//!
//! [`TokenReplaced`]: crate::extensions::TokenReplaced

pub mod body;
mod call;
mod class;
mod classification;
mod classifier;
mod collect;
mod config;
mod events;
mod future;
mod layer;
mod service;
mod session;
mod status;
mod tracker;
mod transport;

pub use body::{ClassifyBodyConfig, ClassifyBodyLayer};
pub(crate) use class::Classes;
pub use class::ErrorClass;
pub use classification::Classification;
pub use classifier::{Classifier, Preset, ResponseHead};
pub use config::ClassifyConfig;
pub use future::ResponseFuture;
pub use layer::ErrorClassifyLayer;
pub use service::ErrorClassify;
pub use status::{AuthStatus, SessionStatus};
pub(crate) use transport::Resend;
