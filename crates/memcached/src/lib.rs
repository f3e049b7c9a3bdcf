#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod client;
mod clock;
mod meta;
mod quota;
mod slot;
mod store;

pub use store::{Reply, Store};
