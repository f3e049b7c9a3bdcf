#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod client;
mod meta;
mod slot;
mod store;

pub use store::{Reply, Store};
