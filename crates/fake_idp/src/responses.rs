//! The providers' bodies and challenges, as data.

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, WWW_AUTHENTICATE},
};
use serde_json::{Value, json};

use super::{flavour::Flavour, tokens::Invalid};

/// A whole response.
pub type BufferedResponse = Response<Bytes>;

impl Flavour {
    /// An error of the API with the provider's own body.
    pub(super) fn error(self, status: u16) -> BufferedResponse {
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        let reason = reason.unwrap_or("Error");
        let body = match (self, status) {
            (Self::Auth0, 429) => {
                auth0(429, "Global limit has been reached", Some("too_many_requests"))
            }
            (Self::Auth0, 404) => auth0(404, "The user does not exist.", Some("inexistent_user")),
            (Self::Auth0, _) => auth0(status, reason, None),
            (Self::Okta, 400) => okta("E0000003", "The request body was not well-formed."),
            (Self::Okta, 404) => okta("E0000007", "Not found: Resource not found (User)"),
            (Self::Okta, 429) => {
                okta("E0000047", "API call exceeded rate limit due to too many requests.")
            }
            (Self::Okta, _) => okta("E0000009", reason),
            (Self::Clerk, 404) => {
                clerk("resource_not_found", "not found", "No user was found with that id.")
            }
            (Self::Clerk, 429) => {
                clerk("too_many_requests", "Too many requests", "Too many requests, retry later")
            }
            (Self::Clerk, _) => clerk("internal_clerk_error", reason, reason),
        };
        json(status, &body)
    }

    /// The response to a request whose credential is no good. `base` is the server's own address.
    pub(super) fn unauthorized(self, why: Invalid, base: &str) -> BufferedResponse {
        match self {
            // Auth0's responses have hapi's shape, whose challenge repeats the message as its
            // `error`.
            Self::Auth0 => match why {
                Invalid::Missing => {
                    challenge(401, &auth0(401, "Missing authentication", None), "Bearer")
                }
                Invalid::Malformed => {
                    json(400, &auth0(400, "Bad HTTP authentication header format", Some("Bearer")))
                }
                Invalid::Unknown => {
                    auth0_challenge("Invalid signature received for JSON Web Token validation")
                }
                Invalid::Expired => {
                    auth0_challenge("Expired token received for JSON Web Token validation")
                }
                Invalid::Revoked => auth0_challenge("Invalid token"),
            },
            Self::Okta => {
                let (code, summary) = match why {
                    Invalid::Missing => ("E0000005", "Invalid session"),
                    _ => ("E0000011", "Invalid token provided"),
                };
                let text = match why {
                    Invalid::Missing => return json(401, &okta(code, summary)),
                    Invalid::Expired => "The access token is expired.",
                    Invalid::Malformed | Invalid::Unknown | Invalid::Revoked => {
                        "The access token is invalid."
                    }
                };
                challenge(
                    401,
                    &okta(code, summary),
                    &okta_challenge(base, None, "invalid_token", text),
                )
            }
            Self::Clerk if why == Invalid::Missing => json(
                401,
                &clerk(
                    "authorization_header_format_invalid",
                    "Invalid Authorization header format",
                    "Invalid Authorization header format. Must be \"Bearer <YOUR_API_KEY>\"",
                ),
            ),
            Self::Clerk => {
                let short = "The provided Clerk Secret Key is invalid.";
                let long = "The provided Clerk Secret Key is invalid. Make sure that your Clerk Secret Key is correct.";
                json(401, &clerk("clerk_key_invalid", short, long))
            }
        }
    }

    /// The response to a token that lacks `scope`.
    pub(super) fn forbidden(self, scope: &str, base: &str) -> BufferedResponse {
        match self {
            Self::Auth0 => {
                let message = format!("Insufficient scope, expected any of: {scope}");
                json(403, &auth0(403, &message, Some("insufficient_scope")))
            }
            Self::Okta => {
                let body =
                    okta("E0000006", "You do not have permission to perform the requested action");
                let text = "The access token provided does not contain the required scopes.";
                challenge(
                    403,
                    &body,
                    &okta_challenge(base, Some(scope), "insufficient_scope", text),
                )
            }
            Self::Clerk => json(
                403,
                &clerk(
                    "authorization_invalid",
                    "Unauthorized request",
                    "You are not authorized to perform this request",
                ),
            ),
        }
    }
}

/// A response with a JSON body.
pub(super) fn json(status: u16, body: &Value) -> BufferedResponse {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status between 100 and 999");
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

/// Okta's error body.
pub(super) fn okta(code: &str, summary: &str) -> Value {
    json!({
        "errorCode": code, "errorSummary": summary, "errorLink": code,
        "errorId": "oaeQr2SbTz6T4mZ0rWlq7vE2w", "errorCauses": [],
    })
}

fn clerk(code: &str, short: &str, long: &str) -> Value {
    let error = json!({ "message": short, "long_message": long, "code": code, "meta": {} });
    json!({ "errors": [error], "clerk_trace_id": "5a1ffcb1b9f04cd29ab3c7de1f0a77b2" })
}

fn auth0(status: u16, message: &str, code: Option<&str>) -> Value {
    let error = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let mut body =
        json!({ "statusCode": status, "error": error.unwrap_or("Error"), "message": message });
    if let Some(code) = code {
        body["errorCode"] = code.into();
    }
    body
}

fn auth0_challenge(message: &str) -> BufferedResponse {
    let mut body = auth0(401, message, None);
    body["attributes"] = json!({ "error": message });
    challenge(401, &body, &format!("Bearer error=\"{message}\""))
}

fn okta_challenge(base: &str, scope: Option<&str>, error: &str, text: &str) -> String {
    let scope = scope.map(|scope| format!(" scope=\"{scope}\",")).unwrap_or_default();
    format!(
        "Bearer authorization_uri=\"{base}/oauth2/v1/authorize\", realm=\"{base}\",{scope} error=\"{error}\", \
         error_description=\"{text}\", resource=\"/api/v1/users\""
    )
}

fn challenge(status: u16, body: &Value, value: &str) -> BufferedResponse {
    let mut response = json(status, body);
    let value = HeaderValue::try_from(value).expect("visible ASCII");
    response.headers_mut().insert(WWW_AUTHENTICATE, value);
    response
}
