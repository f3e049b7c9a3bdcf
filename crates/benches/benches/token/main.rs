//! What a token from the cache costs, beside the things that others keep one in, and how callers share one fetch.
//!
//! `cargo bench -p benches --bench token`. Each row of the first table sends a request with three headers through something
//! that adds `Authorization`; the `bare` row adds none and is what the others are compared with.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a benchmark fails as a test does, prints its results and reads the real clock"
)]

mod hits;
mod places;
mod refresh;
mod setting;
mod sharing;
mod stampede;

use tokio::runtime::Builder;

fn main() {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(hits::hits());
    runtime.block_on(stampede::stampede());
    runtime.block_on(refresh::refresh());
}
