//! How to try out a stack without a server and without waiting.
//!
//! The feature `test-util` has what this crate is tested with: a `ScriptedService` in the place of the client, a `ManualClock`, and
//! a `ReadyProbeLayer`. Its page, `tower_heed::test_util`, has an example of a whole stack, and a table of what to script for
//! which failure.
//!
//! # Time
//!
//! `#[tokio::test(start_paused = true)]` (tokio's own feature `test-util`) pauses tokio's time: whenever all tasks wait it
//! jumps to the next timer. All waits of this crate are tokio's, so a test of a thirty-second wait takes none, and the order of
//! events is the same in each run. `tokio::time::Instant` tells how much of it has passed.
//!
//! Dates are wall time, which tokio does not pause: the `Date` and `Retry-After` of an answer, the end of a token. Each layer that
//! reads it takes a [`Clock`](crate::clock::Clock). One that follows the paused time:
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
//! * *How often was sent*, and not how: `script.sends()`, and the paths and headers of `script.take_requests()`.
//! * *At least as long as told.* Jitter comes on top and is drawn anew each time.
//! * *What the caller sees*: the status, or the error by [`find`](crate::error::find), and its class by
//!   [`Classification::of_error`](crate::classify::Classification::of_error).
//! * *The session*: `ErrorClassifyLayer::status()` after a 429 is not `Unauthenticated`.
//! * *That it ends*: with paused time a call that waits for ever fails as a hung test. A
//!   [`TimeoutLayer`](crate::TimeoutLayer) outside turns that into an [`Elapsed`](crate::timeout::Elapsed).
//!
//! Each condition needs its negative beside it: the refusal without a hint, the hint beyond the deadline, the `POST` after a 5xx.
//!
//! # Without a service at all
//!
//! What is *decided* is functions of their arguments, so most questions need neither a service nor a runtime:
//! [`RateLimit::from_headers`](crate::headers::RateLimit::from_headers) says what headers mean,
//! [`Classification::of_answer`](crate::classify::Classification::of_answer) what an answer means, and
//! [`Decision::about`](crate::retry::Decision::about) whether it would be sent again.
//!
//! # Real sockets
//!
//! Paused time and sockets do not go together: the clock runs ahead while the kernel is at work. A few tests over loopback, in real
//! time and with limits of milliseconds, are enough to see that a client's errors are classed as they should be.
