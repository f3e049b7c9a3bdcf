//! The response headers that servers send.

mod corpus;
mod properties;
pub(crate) mod rate_limit;
mod server_clock;
