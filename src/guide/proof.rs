//! What the crate promises, how that is proven, and where: for those who decide whether to rely on it.
//!
//! `scripts/proof` in the repository runs each part by one command. A name like `retry::decision` is a module of the integration tests:
//! `cargo test --all-features --test it retry::decision`.
//!
#![doc = include_str!("../../docs/proof.md")]
