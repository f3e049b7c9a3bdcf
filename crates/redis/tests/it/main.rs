//! The tests that start real servers have a module of their own: `scripts/test` runs them by its name.

#![allow(
    unreachable_pub,
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test binary has no public items, and its helpers fail as a test does"
)]

mod late;
mod real_servers;
