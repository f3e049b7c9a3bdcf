//! What the tests share.

pub mod error;
pub mod events;
pub mod log;
pub mod probe;
pub mod scripted;
pub mod sim;
pub mod spelling;
