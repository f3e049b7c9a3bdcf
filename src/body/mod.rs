//! Request bodies that can be sent again, and answers read with a limit.
//!
//! A retry sends a request once more, and a body that came from a stream is gone by then. [`ReplayBody`] wraps such a body and
//! records what passes, up to a cap, so that another send can give the same; [`ReplayBodyLayer`] wraps every request's body. The
//! layers that send again ask for no more than [`ReplayableBody`], which every body that is `Clone` is already.
//!
//! * *Use it* for `axum::body::Body`, `hyper::body::Incoming` and other bodies that can be read once.
//! * *Do without it* for `Full<Bytes>`, `Empty<Bytes>`, `String` and all else that is `Clone`: a clone of those costs next to
//!   nothing.
//!
//! For the answer's side there are [`drain`], which saves the connection of an answer that nobody will read, and
//! [`collect_bounded`].
//!
//! ```text
//!                      first send ──────► as the body is read, it is recorded
//! body ──► ReplayBody ─┤ kept                │ refused
//!                      │    └─ recall ──► next send ──► the record first, then on from where the body stands
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
//! // In the place of a layer that sends again, and of the client below it.
//! let twice = service_fn(|request: Request<ReplayBody<Body>>| async move {
//!     let kept = request.body().try_clone().ok_or("known to be too long")?;
//!     let first = request.into_body().collect().await?.to_bytes();
//!     let next = kept.recall().ok_or("too long, or broken")?;
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
//! **At the cap** the record is thrown away and the send that is on its way goes on as if nothing were. No other send can follow:
//! [`is_replayable`](ReplayableBody::is_replayable) turns false, and a clone taken before gives [`ReplayErrorKind::TooLarge`]. A
//! body that says beforehand that it is longer than the cap is never recorded.
//!
//! # What is sent again
//!
//! * The same bytes, from the first one on, and the same trailers. Where one chunk ends and the next begins may differ.
//! * The length ([`size_hint`](http_body::Body::size_hint)) that the body had promised; if it had promised none, the real one once
//!   the body was read to its end. Where trailers follow, a length that was unknown stays unknown, since HTTP/1 could not send them
//!   otherwise.
//! * Never less: a body that failed, or ended before its promised length, is not replayable, and a clone taken before gives
//!   [`ReplayErrorKind::Broken`] where the first send broke off. Half a body never looks like a whole one.
//!
//! # Cost
//!
//! One allocation for each request, another as soon as something is recorded, and a lock that is taken once for each frame, without
//! contention. Chunks of 1 KiB and more that come as [`Bytes`](bytes::Bytes) are kept without a copy, which keeps alive the buffers
//! that they are slices of; smaller ones are copied together, so that a body in tiny chunks takes little more memory than its
//! length. Nothing is read ahead of the send, and nothing is waited for.
//!
//! # Readiness
//!
//! [`ReplayBodyService`] is ready when the inner service is, and holds nothing of its own. Its future is the inner service's.
//!
//! # Cancellation
//!
//! A send can be dropped at any point. What it had read is recorded, and the next send begins with that.
//!
//! # Cloning
//!
//! [`try_clone`](ReplayableBody::try_clone) gives another send of the same body: record and body are shared, each clone keeps its
//! own place. Clones are meant for one send after the other, and **the latest one that was begun has the body**:
//!
//! * A send begins when it is polled for the first time. From then on the earlier ones get no more than what is recorded, and then
//!   [`ReplayErrorKind::Superseded`]. They are woken to learn of it.
//! * [`recall`](ReplayableBody::recall) does the same at the decision to send again, so that nothing happens to the record during
//!   the wait.
//!
//! An earlier send may well be alive: a server that answers 429 before it has read the request leaves the connection with half a
//! body, perhaps for ever if it reads no further. Waiting for that connection to give the body back could take as long, so the next
//! send takes it. A connection that was still in the middle of the body is closed by that, one that had sent all of it is not.
//!
//! # Ordering
//!
//! [`ReplayBodyLayer`] goes around all layers that send again, and once. Below it every service, the client included, takes a
//! `ReplayBody<B>`: `hyper_util::client::legacy::Client<_, ReplayBody<axum::body::Body>>`, for example. If it is missing, the
//! compiler says so. If it is inside a layer that sends again, that layer still asks for a replayable body, and so the compiler
//! says so as well.
//!
//! # Errors
//!
//! The error of a [`ReplayBody`] is a [`BoxError`](tower::BoxError): either the wrapped body's own, given to the send that met it,
//! or a [`ReplayError`]. Clients pass both on as a source of theirs. The wrapped body must be `Unpin` (`Box::pin` makes it so).

mod collect;
mod drain;
mod ending;
mod gather;
mod layer;
mod read;
mod record;
mod replay_body;
mod replay_error;
mod replayable;
mod service;
mod shared;
mod source;
mod state;
mod with_body;

pub(crate) use with_body::with_body;

pub use collect::{CollectBounded, Collected, collect_bounded};
pub use drain::{Drain, drain};
pub use ending::Ending;
pub use layer::ReplayBodyLayer;
pub use replay_body::ReplayBody;
pub use replay_error::{ReplayError, ReplayErrorKind};
pub use replayable::ReplayableBody;
pub use service::ReplayBodyService;
