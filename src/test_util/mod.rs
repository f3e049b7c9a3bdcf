//! For the tests of your own stack: a scripted service in the place of the client, a wall clock to set, and a probe that notices
//! a service which is called without having been made ready.
//!
//! Enable the feature in the dev-dependencies alone, and tokio's own `test-util` with it, which pauses tokio's time: a wait of
//! thirty seconds then takes none.
//!
//! ```toml
//! [dev-dependencies]
//! tokio = { version = "1", features = ["macros", "rt", "test-util"] }
//! tower-heed = { version = "0.1", features = ["test-util"] }
//! ```
//!
//! # Example
//!
//! The stack that the program uses, around a server that refuses the first request for half a minute and hangs at the next:
//!
//! ```
//! use std::time::Duration;
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use tokio::time::Instant;
//! use tower::{Layer, ServiceExt};
//! use tower_heed::{BoxError, Stack, TimeoutLayer, test_util::{Answer, ScriptedService}};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] // in a test: #[tokio::test(start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! let api = ScriptedService::new();
//! let script = api.handle();
//! script.answer(Answer::status(429).header("retry-after", "30"));
//! script.answer(Answer::never());
//! script.answer(Answer::status(200).body("{}"));
//!
//! let stack = Stack::new().call_timeout(TimeoutLayer::new(Duration::from_secs(60)));
//! let client = stack.layer(api);
//!
//! let start = Instant::now();
//! let request = Request::get("https://id.example/users/1").body(Full::<Bytes>::default())?;
//! let response = client.oneshot(request).await?;
//!
//! assert_eq!(response.status(), 200);
//! assert_eq!(script.sends(), 3);
//! // The server's thirty seconds, and the ten after which a send is given up.
//! assert!((Instant::now() - start) >= Duration::from_secs(40));
//! # Ok(())
//! # }
//! ```
//!
//! What each failure looks like in a test:
//!
//! | to try out | script |
//! |---|---|
//! | a refusal | `Answer::status(429).header("retry-after", "30")` |
//! | a server that counts | [`ScriptedService::limited`] |
//! | a server that hangs | [`Answer::never`] |
//! | a slow one | [`Answer::after`] |
//! | a connection that was refused | `Answer::error(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))` |
//! | a rejected token | `Answer::status(401)` |
//! | answers that depend on the request | [`ScriptedService::otherwise`] |
//! | a token endpoint beside the API | the same, by the path: `Answer::status(200).body(r#"{"access_token":"t1","token_type":"Bearer","expires_in":3600}"#)` |
//! | a client that is busy | [`ScriptedService::permits`] |
//! | a client that broke | [`ScriptedHandle::break_readiness`] |
//! | a clock that is wrong | [`ManualClock`], given to the layers as their `clock` |
//!
//! # Time
//!
//! With paused time tokio jumps to the next timer whenever all tasks wait, so nothing has to be advanced by hand. Two things do not
//! follow it: [`SystemTime`](std::time::SystemTime), by which dates in headers and the ends of tokens are measured, and real
//! sockets, whose tests need real time. For the first there is [`Clock::starting_at`](crate::clock::Clock::starting_at), which
//! follows tokio's time, or a [`ManualClock`], which does so and can be set besides.
//!
//! Jitter is drawn anew in each run: assert that a wait was at least as long as was told, and not how long it was.
//!
//! # A layer of your own
//!
//! [`ReadyProbeLayer`] under a layer shows the most repeated fault of this field: to call a clone of the service instead of the
//! instance that was made ready. See [`guide::readiness`](crate::guide::readiness).

mod answer;
mod limit;
mod manual_clock;
mod ready_probe;
mod response;
mod script;
mod scripted;

pub use answer::{Answer, ScriptedError};
pub use manual_clock::ManualClock;
pub use ready_probe::{ReadyProbe, ReadyProbeLayer};
pub use response::ResponseFuture;
pub use script::ScriptedHandle;
pub use scripted::ScriptedService;
