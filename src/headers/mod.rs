//! Response headers: rate limits, times to wait, and the challenge of a 401.
//!
//! The readers are pure functions of the headers; the time of day is an argument. Values are bounded, and a malformed value counts
//! as absent.

mod challenge;
pub(crate) mod date;
mod method_override;
mod number;
pub(crate) mod rate_limit;
pub(crate) mod server_clock;
mod wait;

pub use challenge::BearerChallenge;
pub(crate) use challenge::challenge_parameter;
pub(crate) use method_override::{overrides_method, overrides_method_by};
pub(crate) use rate_limit::aws::{is_aws_throttling, is_aws_throttling_code};
pub(crate) use rate_limit::{Bucket, MAX_WINDOWS, Repeat, Repeats};
pub use rate_limit::{Outcome, RateLimit, Window};
pub(crate) use server_clock::ServerClock;
