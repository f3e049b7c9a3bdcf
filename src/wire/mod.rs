//! What servers say.
mod rate_limit;
pub use rate_limit::{Outcome, RateLimit, is_aws_throttling};
