//! Models of the limiters that servers have, what such a server tells in its headers, servers that misbehave, and chance that can
//! be repeated.
//!
//! No task, no timer, no socket: the time of each request is an argument.

#![allow(
    missing_docs,
    clippy::exhaustive_enums,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "tests, examples and benches are its only users"
)]

mod chance;
mod headers;
mod limiter;
pub mod trouble;

pub use self::{
    chance::Chance,
    headers::Headers,
    limiter::{Left, Limiter, Rule},
};

/// Nanoseconds, since 1970 where they are a moment.
pub type Nanos = u64;

pub const MILLI: Nanos = 1_000_000;
pub const SECOND: Nanos = 1_000 * MILLI;
