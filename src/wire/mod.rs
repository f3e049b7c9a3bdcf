//! What servers say: rate limits, read from the headers of an answer; the challenge of a 401; what it says
//! about caching; and the answers of an OAuth 2.0 token endpoint.
//!
//! Everything here is pure: no clock is read, nothing waits, nothing is decided. The time of day comes in as an argument, and
//! what comes out is data from outside, bounded and never trusted further than its own rule says.

mod cache_control;
mod challenge;
mod date;
mod number;
#[cfg(feature = "client-credentials")]
mod oauth_error;
mod origin;
mod rate_limit;
mod retry_after;
mod server_clock;
#[cfg(feature = "client-credentials")]
mod token_response;
mod wait;

pub(crate) use retry_after::retry_after_seconds;

pub use cache_control::{CacheControl, age};
pub use challenge::BearerChallenge;
#[cfg(feature = "client-credentials")]
pub use oauth_error::OAuthError;
pub(crate) use origin::{Origin, usual_port};
pub use rate_limit::{Bucket, Outcome, RateLimit, Window, is_aws_throttling};
pub use server_clock::ServerClock;
#[cfg(feature = "client-credentials")]
pub use token_response::{MalformedToken, TokenResponse};
