//! Sources of tokens: OAuth 2.0 grants over any HTTP service.
//!
//! A source is the service that a [`TokenCacheLayer`](crate::TokenCacheLayer) takes its tokens from. It keeps none itself: each call
//! is one exchange with the token endpoint.
//!
//! | source | for |
//! |---|---|
//! | [`ClientCredentials`] | Auth0, Okta, Keycloak, Entra and any other OAuth 2.0 token endpoint |
//! | [`ClerkM2m`] | Clerk's machine-to-machine tokens, which are no OAuth grant |
//!
//! [`Credentials`] can be replaced while the program runs. With the feature `private-key-jwt` they are a private key, which is never
//! sent.

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
