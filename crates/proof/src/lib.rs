//! What is proven by running the whole stack for long: `scripts/proof soak` and `scripts/proof net`. The tests run seconds of each.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::must_use_candidate,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "scripts/proof is its only user, and it fails as a test does"
)]

pub mod net;
pub mod soak;
