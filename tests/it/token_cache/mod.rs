//! `TokenCacheLayer`.

mod attach;
mod dropped;
mod failures;
mod fetch;
mod field;
mod handle;
mod keys;
mod rejected;
#[cfg(feature = "client-credentials")]
mod secrets;
mod states;
pub(crate) mod support;
