//! Sources of tokens over HTTP.

mod clerk;
mod credentials;
#[cfg(feature = "private-key-jwt")]
mod private_key;
mod rotation;
