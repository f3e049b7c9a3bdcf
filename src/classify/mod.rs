//! What each answer *means*, and whether the client is still signed in.
//!
//! Use it on every client of an API with sign-in or rate limits. It is what keeps a 429 from being taken for a sign-out: a
//! limited request, a failing server and a time-out say nothing about the credentials, so they never sign anyone out and never
//! start a recovery, which would only be limited in its turn. A layer is one *session*: make one for each set of
//! credentials. A proxy that sends its users' own credentials has no session of its own, so there the status means nothing;
//! what the answers mean is as useful there.
//!
//! It leaves a [`Classification`](crate::classify::Classification) in the extensions of each failing answer, or turns the
//! answer into a [`ClassifiedError`]. A successful answer passes untouched.
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
//! // Stands for an HTTP client: it answers `/429` with 429, and so on.
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
//! let meaning = response.extensions().get::<Classification>().unwrap();
//! assert_eq!(meaning.class(), ErrorClass::RateLimited);
//! assert_eq!(status.get(), AuthStatus::Degraded); // limited, and still signed in
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
//!               429, 5xx, time-out, no connection
//!  ┌─────────┐ ─────────────────────────────────► ┌──────────┐
//!  │ Unknown │ 2xx, 3xx                           │ Degraded │
//!  └─────────┘ ────────► ┌────────┐ ────────────► └──────────┘
//!       │                │ Active │ ◄──────────────    │
//!       │                └────────┘    2xx, 3xx        │
//!   401 │             401 │    ▲ 2xx, 3xx of a         │ 401
//!       ▼                 ▼    │ request sent since    ▼
//!  ┌─────────────────────────────────────────────────────────┐
//!  │                     Unauthenticated                     │
//!  └─────────────────────────────────────────────────────────┘
//! ```
//!
//! | what came | `Unknown` | `Active` | `Degraded` | `Unauthenticated` |
//! |---|---|---|---|---|
//! | a success: 2xx, 3xx | `Active` | | `Active` | `Active` |
//! | `RateLimited`, `Unavailable`, `Timeout`, `Connect`, `Interrupted`, `Throttled` | `Degraded` | `Degraded` | | |
//! | `Unauthenticated` | `Unauthenticated` | `Unauthenticated` | `Unauthenticated` | |
//! | `Forbidden`, `Rejected`, an error of unknown meaning, an answer with [`TokenReplaced`] | | | | |
//!
//! An empty field is no change. `TokenUnavailable` counts as its cause does, and without a cause it changes nothing.
//!
//! * *Trouble does not end a sign-out.* A 429 after a 401 says nothing about the credentials, so what the 401 said stands.
//! * *A 403, 404 or 409 proves nothing.* An API gives one after it has accepted the credentials, and a gateway before it
//!   has looked at them.
//! * *Late answers are known.* Of a hundred requests that fail together, the last 401 may arrive when the session has long
//!   been recovered. A 401 counts only if its request was sent after the last recovery, and a success ends a sign-out only
//!   if its request was sent after that sign-out.
//! * *A success is what the classifier calls one.* Where an API answers 302 to its login page, say so by a
//!   [`Classifier`](crate::classify::Classifier) of your own. Where an endpoint asks for no credentials, say so by
//!   [`Config::public`]: a health check signs nobody in.
//!
//! # Recovery
//!
//! The handler of [`on_unauthenticated`](ErrorClassifyLayer::on_unauthenticated) runs once for each change into
//! `Unauthenticated`, however many requests are rejected.
//!
//! * It runs on a task of its own, spawned on the runtime of the call whose answer brought the change. That call gets its
//!   401 at once; a request that is to wait for the recovery does so by [`SessionStatus::until`].
//! * Nothing starts it while it runs, so it never runs twice at a time and no request that it sends starts it again,
//!   whatever the answer, be it from its own future, from a task, or by way of another session's handler. A 401 to a
//!   request that was sent before the run has ended counts for nothing after it. A task that outlives the run puts the
//!   [`Recovery`](crate::extensions::Recovery) mark on its requests: they change the status and start nothing.
//! * A sign-out that comes while it runs, after a success, is handled by the first 401 to a request that was sent after the
//!   run has ended. So is one that a marked request brings about.
//! * It is not run again while the status stays `Unauthenticated`: a login that is refused is its own to try again. A
//!   handler that panics has had its run; the next change runs it anew.
//! * Where a 401 arrives outside a tokio runtime, it is not started, an event says so, and the first 401 that arrives
//!   within one starts it.
//!
//! # Events
//!
//! All by `tracing`, with the target `tower_heed::classify`. None holds a URL, a token or a header's own text.
//!
//! | level | message | fields |
//! |---|---|---|
//! | `WARN` | `rate limited`, one for each answer that is `RateLimited` | `class`, `status`, `endpoint` (the pattern), `limit`, `remaining`, `reset`, `retry_after`, `wait`; the last three in seconds from now, each only if the server said it |
//! | `WARN` into `Unauthenticated`, `INFO` out of it, else `DEBUG` | `auth status changed` | `from`, `to` |
//! | `ERROR` | `the unauthenticated handler panicked` | |
//! | `ERROR` | `the unauthenticated handler was not started: no tokio runtime on this thread` | |
//!
//! # Defaults
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`classifier`](ErrorClassifyLayer::classifier) | [`Preset::Standard`](crate::classify::Preset::Standard) | the status codes as the RFCs have them |
//! | [`error_for_status`](ErrorClassifyLayer::error_for_status) | off | a caller that reads a status keeps doing so |
//! | [`error_body_bytes`](ErrorClassifyLayer::error_body_bytes) | 8 KiB | a provider's message fits many times over, and a page of HTML is told by its first lines |
//! | [`error_body_wait`](ErrorClassifyLayer::error_body_wait) | 2 s | an error's body follows its head within a round trip; one that does not comes from a server that hangs |
//! | [`on_unauthenticated`](ErrorClassifyLayer::on_unauthenticated) | none | |
//!
//! An endpoint starts with what the layer has at the line of [`endpoint`](ErrorClassifyLayer::endpoint).
//!
//! # Readiness
//!
//! `poll_ready` is the inner service's and its error passes unchanged; it belongs to no request and changes no status.
//!
//! # Cancellation
//!
//! Dropping the future drops the inner one, or the body that is being read. An answer that has not come by then changes
//! nothing. The handler goes on: it belongs to the session and not to the call that was rejected. It ends with its runtime.
//!
//! # Cloning
//!
//! Clones of a layer, and all services of all of them, share one session: its status, and the bookkeeping of the handler's
//! runs. The settings are each clone's own, the handler too. A clone made before it is given has none; its requests change the
//! status like any other, and a sign-out that they bring about is handled by the first 401 to a client that has one.
//!
//! A call costs one more reference to what the services share, and no allocation. An answer that would leave the status as
//! it finds it takes no lock. A failing answer costs the extension, or the error and its body.
//!
//! # Ordering
//!
//! * Inside [`RetryOnRateLimit`](crate::RetryOnRateLimit), every send is read and the status follows each; outside, it
//!   sees what was left when the retries had ended.
//! * Around [`TokenCacheLayer`](crate::TokenCacheLayer), a 401 that the token cache mends by another token is no sign-out, and
//!   a token that cannot be had counts as its cause does; inside of it, every rejected token is a sign-out.
//! * Inside a [`TimeoutLayer`](crate::TimeoutLayer), whose deadline bounds the reading of an error's body.
//!
//! One such layer in a stack is enough: each logs the refusals that it sees.
//!
//! # Errors
//!
//! With [`error_for_status`](ErrorClassifyLayer::error_for_status) each failing answer becomes a [`ClassifiedError`], found
//! through any wrapping by [`find`](crate::error::find) and read as the answer was by every layer outside. Errors of the
//! inner service pass unchanged.
//!
//! # Panics
//!
//! Reading an error's body that is not there at once sets a timer: outside a tokio runtime with its timer on, that panics.
//!
//! [`TokenReplaced`]: crate::extensions::TokenReplaced

mod call;
mod class;
mod classes;
mod classification;
mod classifier;
mod collect;
mod config;
mod events;
mod future;
mod handler;
mod layer;
mod service;
mod session;
mod session_status;
mod shared;
mod status;
mod tracker;
mod transport;

pub use crate::error::ClassifiedError;
pub use class::ErrorClass;
pub(crate) use classes::Classes;
pub use classification::Classification;
pub use classifier::{Classifier, Preset, ResponseHead};
pub use config::Config;
pub use future::ResponseFuture;
pub use layer::ErrorClassifyLayer;
pub use service::ErrorClassify;
pub use session_status::SessionStatus;
pub use status::AuthStatus;
