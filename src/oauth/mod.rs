//! Sources of tokens: OAuth 2.0 grants over any HTTP service.
//!
//! A source is the service that a [`TokenCacheLayer`](crate::TokenCacheLayer) takes its tokens from. It keeps none itself: each call
//! is one exchange with the token endpoint. [Which source do I need?](crate::guide::sources) goes by provider.
//!
//! | source | for |
//! |---|---|
//! | [`ClientCredentials`] | a machine in its own name: Auth0, Okta, Keycloak, Entra and any other OAuth 2.0 token endpoint |
//! | [`RefreshToken`] | a user who signed in once |
//! | [`TokenExchange`] | a user who calls right now, by their token (RFC 8693) |
//! | [`JwtBearer`] | the same by an assertion (RFC 7523): Entra's *on behalf of*; Google's service accounts |
//! | `GitHubApp` | an installation of a GitHub App |
//! | [`ClerkM2m`] | Clerk's machine-to-machine tokens, which are no OAuth grant |
//! | [`StaticToken`](crate::token_cache::StaticToken) | a fixed API key, in any scheme and header field |
//!
//! Each exchange has a span, `token exchange`: level `INFO`, target `tower_heed::oauth`, with `oauth.grant_type`, `server.address` and
//! `outcome`, which is `ok` or the [kind](crate::error::TokenErrorKind) of the failure in snake case.
//!
//! [`Credentials`] can be replaced while the program runs. `GitHubApp`, private keys, signed [assertions](Credentials::assertion) and
//! tokens that are bound to a key (`DpopKey`) need the feature `private-key-jwt`.
//!
//! # Issuers that differ
//!
//! | the issuer | use |
//! |---|---|
//! | takes the secret in `Authorization`, or there without the encoding of RFC 6749 | [`auth_method`](ClientCredentials::auth_method): [`ClientSecretBasic`](AuthMethod::ClientSecretBasic), [`ClientSecretBasicRaw`](AuthMethod::ClientSecretBasicRaw) |
//! | takes its request as JSON | [`format`](ClientCredentials::format) with [`RequestFormat::Json`] |
//! | leaves out `token_type`, or names another one | [`any_token_type`](ClientCredentials::any_token_type) |
//! | has the token in another member than `access_token` | [`token_member`](ClientCredentials::token_member) |
//! | counts `expires_in` in milliseconds | [`lifetime_in_millis`](ClientCredentials::lifetime_in_millis) |
//! | expects another `aud` in a signed assertion | `assertion_audience` |
//! | is reached by plain http within a network that encrypts by itself | [`over_clear_text`](ClientCredentials::over_clear_text) |
//! | exchanges other tokens than access tokens, or for an actor | [`SubjectToken`]'s `id_token`, `of_type`, `with_actor`; [`requested_type`](TokenExchange::requested_type) |
//! | is Google, and the service account acts for a user of its domain | `JwtBearer::subject` |
//! | is a GitHub Enterprise Server, or the token is for some repositories only | `GitHubApp::with_api`, `GitHubApp::repositories` |
//! | is Clerk at another address | [`ClerkM2m::with_endpoint`] |

#[cfg(feature = "private-key-jwt")]
mod assertion;
mod auth_method;
mod clerk;
mod client;
mod client_credentials;
mod credentials;
#[cfg(feature = "private-key-jwt")]
mod dpop;
mod echo;
mod encode;
mod exchange;
#[cfg(feature = "private-key-jwt")]
mod github_app;
mod issuer_clock;
mod jwt_bearer;
mod members;
mod oauth_error;
mod presets;
#[cfg(feature = "private-key-jwt")]
mod private_key;
mod refresh_token;
mod request_format;
mod source;
mod token_exchange;
pub(crate) mod token_response;

#[cfg(feature = "private-key-jwt")]
pub use assertion::Assertion;
pub use auth_method::AuthMethod;
pub use clerk::ClerkM2m;
pub use client_credentials::ClientCredentials;
pub use credentials::Credentials;
#[cfg(feature = "private-key-jwt")]
pub use dpop::{DpopKey, DpopLayer, DpopService};
pub use exchange::HttpService;
#[cfg(feature = "private-key-jwt")]
pub use github_app::GitHubApp;
pub use jwt_bearer::JwtBearer;
#[cfg(feature = "private-key-jwt")]
pub use private_key::{PrivateKey, SigningAlgorithm};
pub use refresh_token::RefreshToken;
pub use request_format::RequestFormat;
pub use token_exchange::{SubjectToken, TokenExchange};
pub use token_response::{MalformedToken, TokenResponse};
