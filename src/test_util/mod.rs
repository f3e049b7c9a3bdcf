//! Test helpers: a scripted service instead of the client, and a wall clock to set.
//!
//! Enable the feature in the dev-dependencies only, together with tokio's `test-util`. That pauses tokio's time, so that a wait of
//! thirty seconds takes none.
//!
//! ```toml
//! [dev-dependencies]
//! tokio = { version = "1", features = ["macros", "rt", "test-util"] }
//! tower-heed = { version = "0.1", features = ["test-util"] }
//! ```
//!
//! # Example
//!
//! The program's stack around a server that rate limits the first request for half a minute and hangs at the next:
//!
//! ```
//! use std::time::Duration;
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use tokio::time::Instant;
//! use tower::{Layer, ServiceExt};
//! use tower_heed::{BoxError, Stack, TimeoutLayer, test_util::{ScriptedResponse, ScriptedService}};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] // in a test: #[tokio::test(start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! let api = ScriptedService::new();
//! let script = api.handle();
//! script.respond(429, &[("retry-after", "30")]);
//! script.push(ScriptedResponse::never());
//! script.push(ScriptedResponse::status(200).body("{}"));
//!
//! let stack = Stack::new().call_timeout(TimeoutLayer::new(Duration::from_secs(60)));
//! let client = stack.service(api);
//!
//! let start = Instant::now();
//! let request = Request::get("https://id.example/users/1").body(Full::<Bytes>::default())?;
//! let response = client.oneshot(request).await?;
//!
//! assert_eq!(response.status(), 200);
//! assert_eq!(script.attempts(), 3);
//! // The server's thirty seconds, and the ten of an attempt's timeout.
//! assert!((Instant::now() - start) >= Duration::from_secs(40));
//! # Ok(())
//! # }
//! ```
//!
//! | failure | script |
//! |---|---|
//! | a rate-limited request | `script.respond(429, &[("retry-after", "30")])` |
//! | a server with a rate limit | [`ScriptedService::rate_limit`] |
//! | a server that hangs | [`ScriptedResponse::never`] |
//! | a slow server | [`ScriptedResponse::after`] |
//! | a refused connection | `ScriptedResponse::error(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))` |
//! | a rejected token | `script.respond(401, &[])` |
//! | responses that depend on the request | [`ScriptedService::otherwise`] |
//! | a token endpoint beside the API | the same, by path: `ScriptedResponse::status(200).body(r#"{"access_token":"t1","token_type":"Bearer","expires_in":3600}"#)` |
//! | a busy client | [`ScriptedService::permits`] |
//! | a broken client | [`ScriptedHandle::break_readiness`] |
//! | a wrong clock | [`ManualClock`], as the `clock` of the layers |
//!
//! # Time
//!
//! With paused time, tokio jumps to the next timer whenever all tasks wait, so nothing has to be advanced by hand. Two things do not
//! follow it: [`SystemTime`](std::time::SystemTime), against which dates in headers and the expiry of tokens are measured, and real
//! sockets. For the first use [`Clock::starting_at`](crate::clock::Clock::starting_at), which follows tokio's time, or a
//! [`ManualClock`], which can also be set. Tests with real sockets need real time.
//!
//! Jitter differs in each run: assert that a wait is at least as long as the server asked for, and not its exact length.
//!
//! # Your own layer
//!
//! A [`ScriptedService`] inside a layer finds the most common fault of tower layers: calling a clone of the service instead of the
//! instance that was made ready. See [`guide::readiness`](crate::guide::readiness).

mod future;
mod handle;
mod manual_clock;
mod rate_limit;
mod response;
mod service;

pub use handle::ScriptedHandle;
pub use manual_clock::ManualClock;
pub use response::{ScriptedError, ScriptedResponse};
pub use service::ScriptedService;
