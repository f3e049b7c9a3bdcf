//! What the tests share.

pub mod events;
pub mod idp;
pub mod probe;
pub mod scripted;
