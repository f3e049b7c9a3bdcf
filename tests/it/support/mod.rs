//! What the tests share.

pub mod probe;
