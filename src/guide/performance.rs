//! What a call costs, what is reached under a limit, and how both are measured.
//!
#![doc = include_str!("../../docs/performance.md")]
