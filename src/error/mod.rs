//! The crate's errors, and finding them behind a [`BoxError`].
//!
//! Every service of this crate has `Error = BoxError`, so that layers stack without conversions. The errors it makes
//! itself are concrete public types, found with [`find`] however deep other layers have wrapped them.

mod classified;
mod elapsed;
mod find;
mod not_queued;
mod throttled;
mod token;
mod unavailable;

pub use classified::ClassifiedError;
pub use elapsed::{Elapsed, Phase};
pub use find::{BoxError, InvalidConfig, find};
pub(crate) use find::{as_a, chain};
pub use not_queued::{NotQueued, Obstacle};
pub use throttled::Throttled;
pub use token::TokenError;
pub use unavailable::UpstreamUnavailable;
