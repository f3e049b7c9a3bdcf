//! A load and a server with a limit: jobs that workers do, a client whose requests are counted, and this crate's stack for them.
//!
//! The example `storm` and the goodput bench are made of it.

#![allow(
    missing_docs,
    clippy::exhaustive_enums,
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    reason = "an example and a bench are its only users"
)]

pub mod connector;
pub mod heeding;
pub mod jobs;
pub mod server;
pub mod tally;
pub mod wire;
