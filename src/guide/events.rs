//! Every event, span and metric.
//!
#![doc = include_str!("../../docs/events.md")]
