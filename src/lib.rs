//! Tower layers for HTTP clients that heed what an API tells them.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

pub mod body;
pub mod clock;
pub mod error;
pub mod policy;
pub mod retry;
pub mod timeout;
pub mod token_cache;
pub mod wire;

pub use error::BoxError;
pub use retry::RetryOnRateLimit;
pub use timeout::TimeoutLayer;
pub use token_cache::TokenCacheLayer;
