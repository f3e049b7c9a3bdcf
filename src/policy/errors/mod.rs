//! The errors that layers make and that other layers must be able to read. Each is public at its own layer.

mod classified;
mod elapsed;
mod not_queued;
mod throttled;
mod token;
mod unavailable;

pub use classified::ClassifiedError;
pub use elapsed::{Elapsed, Phase};
pub use not_queued::{NotQueued, Obstacle};
pub use throttled::Throttled;
pub use token::TokenError;
pub use unavailable::UpstreamUnavailable;
