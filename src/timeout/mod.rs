//! A strict time limit for a call, including its waits, retries and response body.
//!
//! Put it around the whole stack, so that a login never hangs on an upstream, and once more inside
//! [`RetryOnRateLimit`](crate::RetryOnRateLimit), so that an attempt that hangs leaves time for another. For event
//! streams and long downloads make the endpoint [`unlimited`](TimeoutConfig::unlimited), in a [`Stack`](crate::Stack) both for the call
//! and for each attempt, and limit its [idle time](TimeoutConfig::idle) instead.
//!
//! It differs from other timeout layers in what it covers and in what it tells the layers inside:
//!
//! | | covers | when the limit is exceeded | the layers inside know |
//! |---|---|---|---|
//! | `tower::timeout` | up to the response head | `Elapsed`, without a limit or a phase | nothing |
//! | `tower_http::timeout::TimeoutLayer` | up to the response head | a response with a status of your choice | nothing |
//! | `tower_http::timeout::ResponseBodyTimeoutLayer` | each pause within the body | an error of the body | nothing |
//! | `tower_http::timeout::ResponseBodyDeadlineLayer` | from the head to the end of the body | an error of the body | nothing |
//! | this layer | from the call to the end of the body, one clock | an [`Error`](crate::Error) with limit, phase and endpoint | the [`Deadline`](crate::extensions::Deadline) |
//! | this layer's [`idle`](TimeoutConfig::idle) | each wait for the head or the next piece of the body; not a wait that a layer inside causes | the same | nothing |
//! | [`ConnectTimeout`] | the connection, TLS included | the same, class `Connect` | nothing: it goes around a connector |
//!
//! A layer inside that knows the deadline does not start a wait that would pass it, and returns at once.
//!
//! # Example
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//! use http::{Request, Response};
//! use http_body_util::Empty;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_heed::{error::Phase, Error, ErrorKind, TimeoutLayer};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), tower_heed::BoxError> {
//! let hangs = service_fn(|_: Request<Empty<bytes::Bytes>>| {
//!     std::future::pending::<Result<Response<Empty<bytes::Bytes>>, Infallible>>()
//! });
//! let client = ServiceBuilder::new()
//!     .layer(TimeoutLayer::new(Duration::from_secs(2)))
//!     .service(hangs);
//!
//! let error = client.oneshot(Request::new(Empty::new())).await.unwrap_err();
//! let error: &Error = error.downcast_ref().unwrap();
//! assert!(matches!(error.kind(), ErrorKind::Timeout { phase: Phase::Headers, .. }));
//! # Ok(())
//! # }
//! ```
//!
//! # Defaults
//!
//! [`TimeoutLayer::new`] takes the limit. Endpoints start with it. Idle time is not limited;
//! [`without_idle`](TimeoutConfig::without_idle) makes an exception from a wider pattern that limits it. Connecting has no limit of its
//! own: put a [`ConnectTimeout`] around the connector.
//!
//! # Readiness
//!
//! `poll_ready` is the inner service's, and time spent in it counts: an instance that was not ready at once has that much less for its
//! next call. An error of `poll_ready` would be final, so after the limit of the layer (an endpoint is not known yet) the instance says
//! that it is ready, and its call fails at once, as one that was never sent. Of several such layers the outermost does this, and inside
//! a call whoever makes a clone ready.
//!
//! # Cancellation
//!
//! Dropping the future drops the inner one. After a timeout the inner call ends when the future is dropped; a timeout in the body
//! drops the inner body.
//!
//! # Cloning
//!
//! A clone shares only the configuration. Each call has its own limit.
//!
//! # Ordering
//!
//! Outside `RetryOnRateLimit` it limits the call, inside it limits each attempt; the [stack](crate::stack) has both. The layers
//! inside see the earliest deadline of all layers around them and of the request's extensions. A request with a `Deadline` is
//! limited by it, even at an unlimited endpoint. The ambient deadline does not pass a `tower::buffer` between two layers; one in the
//! extensions does.
//!
//! # Errors
//!
//! An [`Error`](crate::Error) of the kind [`Timeout`](crate::ErrorKind::Timeout), from the call or from the body, with the class
//! [`Timeout`](crate::classify::ErrorClass::Timeout). Errors of the inner service are unchanged.

mod body;
mod connect;
mod future;
mod grpc;
mod layer;
mod limit;
mod readiness;
mod service;

use crate::error::Phase;
pub use body::TimeoutBody;
pub use connect::{ConnectFuture, ConnectTimeout};
pub use future::ResponseFuture;
pub use layer::{TimeoutConfig, TimeoutLayer};
pub use service::Timeout;
