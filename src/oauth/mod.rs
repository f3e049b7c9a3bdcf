//! OAuth 2.0: what a token endpoint answers.

mod oauth_error;
mod token_response;

pub use oauth_error::OAuthError;
pub use token_response::{MalformedToken, TokenResponse};
