//! The integration tests: one binary, one module for each behaviour.

#![allow(
    unreachable_pub,
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test binary has no public items, and its helpers fail as a test does"
)]

mod attempt_span;
mod body;
mod circuit_breaker;
mod classify;
mod contract;
mod detach;
#[cfg(feature = "client-credentials")]
mod end_to_end;
mod endpoint;
mod error;
mod fallback;
#[cfg(all(feature = "response-cache", feature = "shared"))]
mod guide;
mod headers;
mod house;
mod integrations;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "client-credentials")]
mod oauth;
mod panics;
mod ready;
#[cfg(feature = "response-cache")]
mod response_cache;
mod retry;
#[cfg(feature = "client-credentials")]
mod secrets;
#[cfg(feature = "serde")]
mod serialize;
mod stack;
#[cfg(feature = "shared")]
mod store;
mod structure;
mod support;
mod test_util;
mod throttle;
mod timeout;
mod token_cache;
