//! The token endpoint: the responses to rejected requests.

use serde_json::json;

use super::{
    flavour::Flavour,
    responses::{self, BufferedResponse},
};

/// Why no token is given.
#[derive(Debug, PartialEq, Eq)]
pub enum Denied {
    Request(&'static str),
    UnknownClient,
    WrongSecret,
    GrantType(String),
    NoAudience,
    Audience(String),
    Organization(String),
    Scope,
    /// A refresh token that is unknown, was used, or belongs to a family that was revoked.
    RefreshToken,
}

// === impl Denied ===

impl Denied {
    pub fn response(&self, flavour: Flavour) -> BufferedResponse {
        let okta = flavour == Flavour::Okta;
        match self {
            Self::Request(why) => error(400, "invalid_request", why),
            Self::UnknownClient if okta => {
                let summary = "Invalid value for 'client_id' parameter.";
                responses::json(401, &responses::okta("invalid_client", summary))
            }
            Self::WrongSecret if okta => error(
                401,
                "invalid_client",
                "The client secret supplied for a confidential client is invalid.",
            ),
            // Auth0 does not say `invalid_client`.
            Self::UnknownClient | Self::WrongSecret => error(401, "access_denied", "Unauthorized"),
            Self::GrantType(_) if okta => {
                let why =
                    "The authorization grant type is not supported by the authorization server.";
                error(400, "unsupported_grant_type", why)
            }
            Self::GrantType(kind) => responses::json(
                403,
                &json!({
                    "error": "unauthorized_client",
                    "error_description": format!("Grant type '{kind}' not allowed for the client."),
                    "error_uri": "https://auth0.com/docs/clients/client-grant-types",
                }),
            ),
            Self::NoAudience => error(
                403,
                "access_denied",
                "No audience parameter was provided, and no default audience has been configured",
            ),
            Self::Audience(audience) => error(
                403,
                "access_denied",
                &format!(
                    "Client is not authorized to access \"{audience}\". You might probably want to create a \
                     \"client-grant\" associated to this API. See: \
                     https://auth0.com/docs/api/v2#!/Client_Grants/post_client_grants"
                ),
            ),
            // No provider documents this body: the shape is that of the audience above.
            Self::Organization(name) => error(
                403,
                "access_denied",
                &format!("Client is not authorized for organization \"{name}\"."),
            ),
            Self::RefreshToken => error(
                if okta { 400 } else { 403 },
                "invalid_grant",
                "Unknown or invalid refresh token.",
            ),
            Self::Scope => {
                let why =
                    "One or more scopes are not configured for the authorization server resource.";
                error(400, "invalid_scope", why)
            }
        }
    }
}

/// What the token endpoint says when it fails with that status, whatever was asked.
pub fn failure(flavour: Flavour, status: u16) -> BufferedResponse {
    match (flavour, status) {
        (_, 400) => Denied::Request("Bad request.").response(flavour),
        (_, 401) => Denied::WrongSecret.response(flavour),
        (Flavour::Auth0, 403) => Denied::NoAudience.response(flavour),
        (Flavour::Auth0, 429) => error(429, "too_many_requests", "Rate limit exceeded."),
        (Flavour::Auth0, _) => error(status, "server_error", "Internal error"),
        _ => flavour.error(status),
    }
}

/// The OAuth error of RFC 6749 section 5.2.
pub fn error(status: u16, code: &str, description: &str) -> BufferedResponse {
    responses::json(status, &json!({ "error": code, "error_description": description }))
}
