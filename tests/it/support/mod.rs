//! What the tests share.

pub mod idp;
pub mod probe;
