//! `ErrorClassifyLayer`, and what responses and errors mean.

mod bodies;
mod classifier;
mod errors;
mod events;
#[cfg(feature = "hyper")]
mod hyper;
mod loopback;
mod recovery;
mod responses;
mod status;
mod storm;
#[cfg(feature = "hyper")]
mod tls;
mod tokens;
