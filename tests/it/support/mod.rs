//! What the tests share.

pub mod error;
pub mod events;
pub mod log;
pub mod probe;
#[cfg(feature = "http2")]
pub mod raw_http2;
pub mod scripted;
pub mod sim;
pub mod spelling;
