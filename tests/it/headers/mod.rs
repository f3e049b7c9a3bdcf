//! What servers say in header fields.

mod corpus;
mod properties;
pub(crate) mod rate_limit;
mod server_clock;
