//! The integration tests: one binary, one module for each behaviour.

#![allow(unreachable_pub, missing_docs, reason = "a test binary has no public items")]

mod contract;
mod endpoints;
mod floors;
mod support;
mod timeout;
