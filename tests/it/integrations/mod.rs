//! Adapters to other crates.

#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "hyper")]
mod grpc;
#[cfg(feature = "reqwest")]
mod reqwest;
mod tower_http_redirect;
#[cfg(feature = "tower-http")]
mod tower_http_trace;
