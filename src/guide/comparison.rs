//! What this crate does and what others do, feature by feature.
//!
#![doc = include_str!("../../docs/comparison.md")]
