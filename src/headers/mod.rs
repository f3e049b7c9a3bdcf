//! What servers say in the header fields of a response: rate limits, how long to wait, the time of day, and the challenge
//! of a 401.
//!
//! Everything here is pure: no clock is read, nothing waits, nothing is decided. The time of day is an argument, and the values
//! read are data from outside, bounded and never trusted further than their own rule says.

mod challenge;
pub(crate) mod date;
mod number;
mod rate_limit;
mod retry_after;
mod server_clock;
mod wait;

pub(crate) use retry_after::retry_after_seconds;

pub use challenge::BearerChallenge;
pub use rate_limit::{Bucket, Outcome, RateLimit, Window, is_aws_throttling};
pub use server_clock::ServerClock;
