//! A strict time limit for a call, its waits, retries and body included.
//!
//! Use it around the whole stack, so that a login never hangs on an upstream, and once more inside
//! [`RetryOnRateLimit`](crate::RetryOnRateLimit), so that one send that hangs is given up in time for another. Do not use
//! it for streams without an end: give such endpoints [`unlimited`](Config::unlimited).
//!
//! It differs from its namesakes in what it counts and in what it says:
//!
//! | | counts | when it runs out | tells the layers inside |
//! |---|---|---|---|
//! | `tower::timeout` | to the head of the answer | `Elapsed`, without a limit or a phase | nothing |
//! | `tower_http::timeout::TimeoutLayer` | to the head of the answer | an answer with a status of your choice | nothing |
//! | `tower_http::timeout::ResponseBodyTimeoutLayer` | each pause within the body anew | an error of the body | nothing |
//! | `tower_http::timeout::ResponseBodyDeadlineLayer` | from the head to the end of the body | an error of the body | nothing |
//! | this one | from the call to the end of the body, one clock | [`Elapsed`] with limit, phase and endpoint | the [`Deadline`](crate::extensions::Deadline) |
//!
//! The last column is why it is here: a layer inside that knows the deadline does not begin a wait that would pass it. It
//! returns what it has at once, with how long the server said to wait.
//!
//! # Example
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//! use http::{Request, Response};
//! use http_body_util::Empty;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_heed::{TimeoutLayer, error::find, timeout::{Elapsed, Phase}};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), tower_heed::BoxError> {
//! let hangs = service_fn(|_: Request<Empty<bytes::Bytes>>| {
//!     std::future::pending::<Result<Response<Empty<bytes::Bytes>>, Infallible>>()
//! });
//! let client = ServiceBuilder::new()
//!     .layer(TimeoutLayer::new(Duration::from_secs(2))?)
//!     .service(hangs);
//!
//! let error = client.oneshot(Request::new(Empty::new())).await.unwrap_err();
//! let elapsed = find::<Elapsed>(error.as_ref()).unwrap();
//! assert_eq!((elapsed.limit(), elapsed.phase()), (Duration::from_secs(2), Phase::Headers));
//! # Ok(())
//! # }
//! ```
//!
//! # Defaults
//!
//! None: the limit is the one argument of [`TimeoutLayer::new`]. Endpoints start with it.
//!
//! # Readiness
//!
//! `poll_ready` is the inner service's, and the time spent in it is not counted: the limit starts with the call. Put a
//! load limit that may keep callers waiting for readiness inside of a buffer, where waiting is part of the call.
//!
//! # Cancellation
//!
//! Dropping the future drops the inner one. When the limit runs out before the head, the future returns the error and
//! the caller's dropping of it ends the inner call; within the body, the body inside is let go with the error.
//!
//! # Cloning
//!
//! A clone shares the configuration and nothing else. Each call has a limit of its own.
//!
//! # Ordering
//!
//! Outside `RetryOnRateLimit` it bounds the call, inside each send; both together are what the
//! [stack](crate::stack) does. The deadline that the layers inside see is the earliest of all layers around them and of
//! the one in the request's extensions. A request that brings a `Deadline` is bounded by it, also where the endpoint has
//! no limit. `tower::buffer` between two layers ends the reach of the ambient deadline, not that of one in the extensions.
//!
//! # Errors
//!
//! [`Elapsed`], from the call or from the body. It is found through any wrapping by [`find`](crate::error::find), and it
//! is a [`Timeout`](crate::classify::ErrorClass::Timeout) to every layer of this crate. Errors of the inner service pass
//! unchanged.

mod body;
mod config;
mod future;
mod layer;
mod limit;
mod service;

pub use crate::error::{Elapsed, Phase};
pub use body::TimeoutBody;
pub use config::Config;
pub use future::ResponseFuture;
pub use layer::TimeoutLayer;
pub use service::Timeout;
