//! Request bodies that can be sent again.
//!
//! A retry sends a request again, and a body from a stream is gone by then. [`ReplayBody`] wraps such a body and records it, up to a
//! cap, so that another attempt can send the same. [`ReplayBodyLayer`] wraps the body of every request. The layers that retry require
//! only a [`ReplayableBody`], which every `Clone` body is already.
//!
//! * *Use it* for `axum::body::Body`, `hyper::body::Incoming` and other bodies that can be read once.
//! * *Do without it* for `Full<Bytes>`, `Empty<Bytes>`, `String` and other bodies that are cheap to clone.
//!
//! ```text
//!                       first attempt ─────► the body is recorded as it is read
//! body ──► ReplayBody ─┤ kept                │ rejected
//!                      │    └─ rewind ──► next attempt ──► the record first, then the rest of the body
//! ```
//!
//! # Example
//!
//! ```
//! use axum::body::Body;
//! use http::{Request, Response};
//! use http_body_util::BodyExt;
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//! use tower_heed::body::{ReplayBody, ReplayBodyLayer, ReplayableBody};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! // Stands for a layer that retries, and for the client inside.
//! let twice = service_fn(|request: Request<ReplayBody<Body>>| async move {
//!     let kept = request.body().try_clone().ok_or("longer than the cap")?;
//!     let first = request.into_body().collect().await?.to_bytes();
//!     let next = kept.rewind().ok_or("longer than the cap, or broken")?;
//!     let second = next.collect().await?.to_bytes();
//!     Ok::<_, BoxError>(Response::new((first, second)))
//! });
//! let service = ServiceBuilder::new().layer(ReplayBodyLayer::new(1024)).service(twice);
//!
//! let request = Request::post("/oauth/token").body(Body::from("grant_type=client_credentials"))?;
//! let (first, second) = service.oneshot(request).await?.into_body();
//! assert_eq!(first, "grant_type=client_credentials");
//! assert_eq!(second, first);
//! # Ok(())
//! # }
//! ```
//!
//! # Defaults
//!
//! [`ReplayBodyLayer::DEFAULT_MAX_BYTES`], 64 KiB, for the data and trailers of one request.
//!
//! **At the cap** the record is dropped and the current attempt goes on. No other attempt can follow:
//! [`is_replayable`](ReplayableBody::is_replayable) becomes false, and an earlier clone fails with [`NotReplayable::TooLarge`]. A body
//! whose announced length exceeds the cap is never recorded.
//!
//! # What is sent again
//!
//! * The same bytes from the first one on, and the same trailers. Chunk boundaries may differ.
//! * The announced length ([`size_hint`](http_body::Body::size_hint)). Without one, the real length once the body was read to its
//!   end. With trailers an unknown length stays unknown, because HTTP/1 could not send them otherwise.
//! * Never less. A body that failed, or ended before its announced length, is not replayable, and an earlier clone fails with
//!   [`NotReplayable::Broken`] at that point. Half a body never looks complete.
//!
//! # Cost
//!
//! One allocation for each request, another once something is recorded, and an uncontended lock for each frame. Chunks of 1 KiB and
//! more that are [`Bytes`](bytes::Bytes) are kept without a copy, which keeps the buffers alive that they are slices of. Smaller
//! chunks are copied together, so that a body of tiny chunks takes little more memory than its length. Nothing is read ahead.
//!
//! # Readiness
//!
//! [`ReplayBodyService`] is ready when the inner service is. Its future is the inner service's.
//!
//! # Cancellation
//!
//! An attempt can be dropped at any point. The data it has read is recorded, and the next attempt starts with that.
//!
//! # Cloning
//!
//! [`try_clone`](ReplayableBody::try_clone) returns another copy of the same body: they share the record and the source, and each has
//! its own position. Clones are meant for one attempt after the other, and **the latest attempt reads the source**:
//!
//! * An attempt starts with its first poll. From then on, earlier attempts get only recorded data and then
//!   [`NotReplayable::Superseded`]. They are woken to learn of it.
//! * [`rewind`](ReplayableBody::rewind) does the same at the decision to retry, so that the record does not change during the wait.
//!
//! An earlier attempt may still be alive: a server that responds 429 before it has read the request leaves the connection with half a
//! body, perhaps for good. The next attempt does not wait for that connection. If the connection was still sending the body, it is
//! closed.
//!
//! # Ordering
//!
//! [`ReplayBodyLayer`] goes around all layers that retry, once. Every service inside, including the client, takes a `ReplayBody<B>`:
//! for example `hyper_util::client::legacy::Client<_, ReplayBody<axum::body::Body>>`. If the layer is missing, or inside a layer that
//! retries, the compiler says so.
//!
//! # Errors
//!
//! The error of a [`ReplayBody`] is an [`Error`](crate::Error) in a [`BoxError`](tower::BoxError): of the kind
//! [`RequestBody`](crate::ErrorKind::RequestBody) around the wrapped body's own, for the attempt that met it, or of the kind
//! [`ReplayBody`](crate::ErrorKind::ReplayBody) with its [`NotReplayable`] reason. A body that ends before its announced length has
//! failed too. Clients report both as the source of their own error. Neither has a class: a caller who breaks off an upload gets no
//! fallback response, and the session stays as it is. The same holds for a [`TimeoutLayer`](crate::TimeoutLayer) whose limit runs out
//! before the body was read, and for a timeout or a broken connection of the client in the meantime. The wrapped body must be `Unpin` (`Box::pin` makes it so).

pub(crate) mod collect;
pub(crate) mod drain;
mod layer;
pub(crate) mod read;
mod record;
mod replay_body;
mod replayable;
mod shared;
mod source;
mod state;
mod upload;
mod with_body;

use crate::error::NotReplayable;
pub(crate) use collect::{CollectBounded, collect_bounded};
pub(crate) use drain::{Drain, drain};
pub use layer::{ReplayBodyLayer, ReplayBodyService};
pub(crate) use read::Ending;
pub use replay_body::ReplayBody;
pub use replayable::ReplayableBody;
pub(crate) use upload::Upload;
pub(crate) use with_body::with_body;
