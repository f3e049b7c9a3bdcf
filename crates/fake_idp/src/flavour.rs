//! The providers, and in what they differ.

use std::time::Duration;

use super::headers::Headers;

/// Whose endpoints, headers and bodies the server has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flavour {
    /// `/oauth/token` and `/api/v2/users`.
    #[default]
    Auth0,
    /// `/v1/users` with a static key, and `/v1/m2m_tokens`.
    Clerk,
    /// `/oauth2/v1/token` and `/api/v1/users`.
    Okta,
}

// === impl Flavour ===

impl Flavour {
    /// How long a token lives where nothing else is asked for; Clerk's machine tokens never end.
    pub fn token_lifetime(self) -> Option<Duration> {
        match self {
            Self::Auth0 => Some(Duration::from_secs(86_400)),
            Self::Okta => Some(Duration::from_secs(3_600)),
            Self::Clerk => None,
        }
    }

    /// What a client may do: read, create, update users.
    pub fn scopes(self) -> [&'static str; 3] {
        match self {
            Self::Auth0 => ["read:users", "create:users", "update:users"],
            Self::Okta => ["okta.users.read", "okta.users.manage", "okta.users.manage"],
            Self::Clerk => ["users:read", "users:write", "users:write"],
        }
    }

    pub(super) fn api_headers(self) -> Headers {
        match self {
            Self::Auth0 => Headers::XRateLimit,
            Self::Okta => Headers::XRateLimitHyphenated,
            Self::Clerk => Headers::RetryAfterOnly,
        }
    }

    pub(super) fn token_headers(self) -> Headers {
        match self {
            Self::Auth0 => Headers::Auth0Policy,
            Self::Clerk | Self::Okta => self.api_headers(),
        }
    }
}
