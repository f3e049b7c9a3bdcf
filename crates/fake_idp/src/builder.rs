//! How the server is set up.

use std::{collections::HashMap, time::Duration};

use super::{Idp, flavour::Flavour, limits::Limit};

/// The settings of an [`Idp`], each with a default that works.
#[derive(Clone, Debug)]
#[must_use = "nothing listens before `start`"]
pub struct Builder {
    pub(super) flavour: Flavour,
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) api_key: String,
    pub(super) audience: String,
    pub(super) organizations: Vec<String>,
    pub(super) scopes: Option<Vec<String>>,
    pub(super) lifetime: Option<Duration>,
    pub(super) expires_in: Option<Duration>,
    pub(super) limits: HashMap<String, Limit>,
    pub(super) api_limit: Option<Limit>,
    pub(super) token_limit: Option<Limit>,
    pub(super) clock_skew: i64,
    pub(super) date_skew: i64,
}

// === impl Builder ===

impl Builder {
    /// Whose endpoints, headers and bodies the server has.
    pub fn flavour(mut self, flavour: Flavour) -> Self {
        self.flavour = flavour;
        self
    }

    /// Who may ask for a token.
    pub fn client(mut self, id: &str, secret: &str) -> Self {
        self.client_id = id.to_owned();
        self.client_secret = secret.to_owned();
        self
    }

    /// The audience a token must be asked for (Auth0); the server's own `/api/v2/` otherwise.
    pub fn audience(mut self, audience: &str) -> Self {
        self.audience = audience.to_owned();
        self
    }

    /// An organization that a token may be asked for; may be called again.
    pub fn organization(mut self, organization: &str) -> Self {
        self.organizations.push(organization.to_owned());
        self
    }

    /// What the client was granted; all user endpoints otherwise. A token without the scope of an
    /// endpoint gets a 403.
    pub fn scopes(mut self, scopes: &[&str]) -> Self {
        self.scopes = Some(scopes.iter().map(|scope| (*scope).to_owned()).collect());
        self
    }

    /// The static key of Clerk's API, which is the machine key of its token endpoint too.
    pub fn api_key(mut self, key: &str) -> Self {
        self.api_key = key.to_owned();
        self
    }

    /// From a token's issue to its end; the provider's own otherwise.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// The lifetime in the token response, if it differs from the real one.
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.expires_in = Some(lifetime);
        self
    }

    /// The limit of one endpoint: `GET /api/v2/users/{id}`. It replaces that of the API.
    pub fn endpoint_limit(mut self, endpoint: &str, limit: Limit) -> Self {
        self.limits.insert(endpoint.to_owned(), limit);
        self
    }

    /// One limit that all user endpoints share.
    pub fn api_limit(mut self, limit: Limit) -> Self {
        self.api_limit = Some(limit);
        self
    }

    /// The token endpoint's own limit.
    pub fn token_limit(mut self, limit: Limit) -> Self {
        self.token_limit = Some(limit);
        self
    }

    /// Puts the server's clock ahead (or behind, if negative) by that many seconds: `Date` and
    /// every absolute reset.
    pub fn clock_skew(mut self, seconds: i64) -> Self {
        self.clock_skew = seconds;
        self
    }

    /// Puts the `Date` header alone ahead or behind, as a proxy with a wrong clock does.
    pub fn date_skew(mut self, seconds: i64) -> Self {
        self.date_skew = seconds;
        self
    }

    /// Listens on a free port of 127.0.0.1 until the [`Idp`] is dropped.
    pub async fn start(self) -> Idp {
        Idp::start(self).await
    }

    /// All that the client was granted.
    pub(super) fn granted(&self) -> Vec<String> {
        let own = || self.flavour.scopes().map(str::to_owned).to_vec();
        let mut scopes = self.scopes.clone().unwrap_or_else(own);
        scopes.dedup();
        scopes
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            flavour: Flavour::default(),
            client_id: "fake-client".to_owned(),
            client_secret: "fake-client-secret".to_owned(),
            api_key: "sk_test_fake".to_owned(),
            audience: String::new(),
            organizations: Vec::new(),
            scopes: None,
            lifetime: None,
            expires_in: None,
            limits: HashMap::new(),
            api_limit: None,
            token_limit: None,
            clock_skew: 0,
            date_skew: 0,
        }
    }
}
