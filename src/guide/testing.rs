//! How to test a stack without a server and without waiting.
//!
//! The feature `test-util` has what this crate is tested with: a `ScriptedService` in place of the client and a `ManualClock`. The
//! page `tower_heed::test_util` has an example of a whole stack, and a table of failures and their scripts.
//!
//! # Time
//!
//! `#[tokio::test(start_paused = true)]` (tokio's own feature `test-util`) pauses tokio's time: when all tasks wait it jumps to
//! the next timer. All waits of this crate are tokio's, so a test of a thirty-second wait takes no time, and the order of events
//! is the same in each run. `tokio::time::Instant` tells how much time has passed.
//!
//! Dates are wall time, which tokio does not pause: the `Date` and `Retry-After` of a response, the end of a token. Each layer that
//! reads wall time takes a [`Clock`](crate::clock::Clock). This one follows the paused time:
//!
//! ```
//! use std::{convert::Infallible, time::{Duration, SystemTime}};
//! use http::{Request, Response};
//! use http_body_util::Empty;
//! use tokio::time::Instant;
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_heed::{RetryOnRateLimit, clock::Clock, extensions::Attempt};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), tower_heed::BoxError> {
//! // 1 January 2026, midnight.
//! let clock = Clock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600));
//! let api = service_fn(|request: Request<Empty<&'static [u8]>>| async move {
//!     let response = match request.extensions().get::<Attempt>() {
//!         None => Response::builder().status(429).header("retry-after", "Thu, 01 Jan 2026 00:00:20 GMT"),
//!         Some(_) => Response::builder(),
//!     };
//!     Ok::<_, Infallible>(response.body(Empty::<&[u8]>::new()).unwrap())
//! });
//!
//! let start = Instant::now();
//! let client = RetryOnRateLimit::new().clock(clock).layer(api);
//! assert_eq!(client.oneshot(Request::new(Empty::new())).await?.status(), 200);
//! assert!(Instant::now() - start >= Duration::from_secs(20));
//! # Ok(())
//! # }
//! ```
//!
//! # What to assert
//!
//! * *How many attempts*: `script.attempts()` since the last `script.take_requests()`, whose requests show paths and header fields.
//! * *At least the wait that the server asked for.* Jitter is added, and drawn anew each time.
//! * *What the caller sees*: the status, or the [`Error`](crate::Error) by [`find`](crate::error::find), its kind and class.
//! * *The session*: `ErrorClassifyLayer::status()` after a 429 is not `Unauthenticated`.
//! * *That it ends*: with paused time a call that waits for ever hangs the test. A [`TimeoutLayer`](crate::TimeoutLayer)
//!   outside turns that into an error.
//!
//! Each condition needs its negative: a 429 without a wait, a wait beyond the deadline, a `POST` after a 5xx.
//!
//! # Without a service
//!
//! [`RateLimit::from_headers`](crate::headers::RateLimit::from_headers) reads the header fields of a response, and
//! [`Classification::of_response`](crate::classify::Classification::of_response) tells what it means: both are functions of their
//! arguments.
//!
//! # Real sockets
//!
//! Paused time and sockets do not mix: the clock advances while the kernel works. A few tests over loopback, in real
//! time and with limits of milliseconds, are enough to check that a client's errors get the right class.
