//! Sources of tokens: OAuth 2.0 grants over any HTTP service, and what a token endpoint answers.

mod auth_method;
mod clerk;
mod client;
mod client_credentials;
mod credentials;
mod encode;
mod exchange;
mod oauth_error;
mod presets;
#[cfg(feature = "private-key-jwt")]
mod private_key;
mod request_format;
pub(crate) mod token_response;

pub use auth_method::AuthMethod;
pub use clerk::ClerkM2m;
pub use client_credentials::ClientCredentials;
pub use credentials::Credentials;
#[cfg(feature = "private-key-jwt")]
pub use private_key::{PrivateKey, SigningAlgorithm};
pub use request_format::RequestFormat;
