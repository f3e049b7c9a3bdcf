//! What every store has to do: the suite of the contract, fleets of processes around a store, and real servers to run both against.

#![allow(
    missing_debug_implementations,
    missing_docs,
    clippy::exhaustive_enums,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "for tests, which fail by panics and print figures"
)]

pub mod fleet;
pub mod quotas;
pub mod server;
pub mod slots;

use tower::Service;
use tower_heed::{
    BoxError,
    store::{SlotReply, SlotRequest},
};

/// A store.
pub trait Store:
    Service<SlotRequest, Response = SlotReply, Error: Into<BoxError>, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Store for S where
    S: Service<SlotRequest, Response = SlotReply, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}
