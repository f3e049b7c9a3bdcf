//! What the layers count. Without the feature `metrics` nothing of it is left.

#[cfg(feature = "response-cache")]
mod cache;
#[cfg(feature = "metrics")]
mod counting;
#[cfg(not(feature = "metrics"))]
mod silent;

#[cfg(feature = "response-cache")]
pub(crate) use cache::CacheMeter;
#[cfg(feature = "metrics")]
pub(crate) use counting::*;
#[cfg(not(feature = "metrics"))]
pub(crate) use silent::*;
