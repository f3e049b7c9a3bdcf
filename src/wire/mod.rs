//! What servers say: rate limits, read from the headers of an answer.
//!
//! Everything here is pure: no clock is read, nothing waits, nothing is decided. The time of day comes in as an argument, and
//! what comes out is data from outside, bounded and never trusted further than its own rule says.

mod date;
mod number;
mod rate_limit;
mod wait;

pub use rate_limit::{Outcome, RateLimit, Window, is_aws_throttling};
