//! Sources of tokens over HTTP.

mod attach;
mod clerk;
mod credentials;
#[cfg(feature = "private-key-jwt")]
mod private_key;
mod rotation;
