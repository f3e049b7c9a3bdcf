//! Sources of tokens over HTTP.

mod attach;
mod clerk;
mod credentials;
#[cfg(feature = "private-key-jwt")]
mod dpop;
mod grants;
#[cfg(feature = "private-key-jwt")]
mod private_key;
mod refresh_token;
mod rotation;
mod span;
mod users;
