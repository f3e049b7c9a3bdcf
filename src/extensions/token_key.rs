//! What tells one token from another.

use std::{collections::BTreeSet, fmt, hash::BuildHasher};

/// What a token is for: two requests that differ in any part of it never share one.
///
/// The parts are the token endpoint, the client and the way it proves itself, the audience, the scopes, the organization
/// and further parameters; the order in which scopes and parameters are named does not matter. **Secrets are never part of
/// it**: it is compared, hashed and shown.
///
/// ```
/// use tower_heed::token_cache::TokenKey;
///
/// let one = TokenKey::new().with_audience("https://tenant.example/api/v2/").with_scopes("read:users read:keys");
/// let other = TokenKey::new().with_scopes("read:keys read:users").with_audience("https://tenant.example/api/v2/");
/// assert_eq!(one, other);
/// assert_ne!(one, other.with_organization("org_1"));
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenKey {
    client: Option<Client>,
    audience: Option<String>,
    scopes: BTreeSet<String>,
    organization: Option<String>,
    parameters: BTreeSet<(String, String)>,
    subject: Option<String>,
}

/// Who asks for the token, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Client {
    token_endpoint: String,
    id: String,
    auth_method: String,
    /// The thumbprint of the key that its tokens are bound to.
    bound_to: Option<String>,
}

// === impl TokenKey ===

impl TokenKey {
    /// The key of no parts: a source gives its own token for it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the token endpoint, the client's id there, and the name of the way it proves itself.
    #[must_use]
    pub fn with_client(
        self,
        token_endpoint: impl Into<String>,
        id: impl Into<String>,
        auth_method: impl Into<String>,
    ) -> Self {
        let client = Client {
            token_endpoint: token_endpoint.into(),
            id: id.into(),
            auth_method: auth_method.into(),
            bound_to: None,
        };
        Self { client: Some(client), ..self }
    }

    /// Sets the thumbprint of the key that the client's tokens are bound to.
    #[cfg(feature = "private-key-jwt")]
    pub(crate) fn bound_to(mut self, thumbprint: String) -> Self {
        if let Some(client) = &mut self.client {
            client.bound_to = Some(thumbprint);
        }
        self
    }

    /// Whether it names the key that the client's tokens are bound to.
    #[cfg(feature = "shared")]
    pub(crate) fn is_bound(&self) -> bool {
        self.client.as_ref().is_some_and(|client| client.bound_to.is_some())
    }

    /// Sets the API that the token is for.
    #[must_use]
    pub fn with_audience(self, audience: impl Into<String>) -> Self {
        Self { audience: Some(audience.into()), ..self }
    }

    /// Adds scopes, separated by spaces.
    #[must_use]
    pub fn with_scopes(mut self, scopes: &str) -> Self {
        self.scopes.extend(scopes.split_whitespace().map(str::to_owned));
        self
    }

    /// Sets the organization that the token is for.
    #[must_use]
    pub fn with_organization(self, organization: impl Into<String>) -> Self {
        Self { organization: Some(organization.into()), ..self }
    }

    /// Adds a further parameter of the token request. It must not be a secret.
    #[must_use]
    pub fn with_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.insert((name.into(), value.into()));
        self
    }

    /// Names the user in whose name the token is used, by an id that is no secret. It is not sent: it keeps the tokens of users apart.
    #[must_use]
    pub fn with_subject(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    /// The token endpoint, the client's id there, and the name of the way it proves itself.
    #[must_use]
    pub fn client(&self) -> Option<(&str, &str, &str)> {
        let Client { token_endpoint, id, auth_method, .. } = self.client.as_ref()?;
        Some((token_endpoint, id, auth_method))
    }

    /// The user in whose name the token is used.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The API that the token is for.
    #[must_use]
    pub fn audience(&self) -> Option<&str> {
        self.audience.as_deref()
    }

    /// The scopes, sorted.
    #[must_use]
    pub fn scopes(&self) -> impl ExactSizeIterator<Item = &str> {
        self.scopes.iter().map(String::as_str)
    }

    /// The organization that the token is for.
    #[must_use]
    pub fn organization(&self) -> Option<&str> {
        self.organization.as_deref()
    }

    /// The further parameters, sorted.
    #[must_use]
    pub fn parameters(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The same for all keys of one client at one token endpoint.
    pub(crate) fn client_hash(&self, hasher: &impl BuildHasher) -> u64 {
        hasher.hash_one(&self.client)
    }

    /// This key, and where it leaves a part open that part of `base`. Scopes and parameters are taken whole from one.
    #[cfg(any(feature = "client-credentials", feature = "shared"))]
    pub(crate) fn or(&self, base: &Self) -> Self {
        fn either<T: Clone>(one: &BTreeSet<T>, other: &BTreeSet<T>) -> BTreeSet<T> {
            if one.is_empty() { other.clone() } else { one.clone() }
        }
        Self {
            client: self.client.clone().or_else(|| base.client.clone()),
            audience: self.audience.clone().or_else(|| base.audience.clone()),
            scopes: either(&self.scopes, &base.scopes),
            organization: self.organization.clone().or_else(|| base.organization.clone()),
            parameters: either(&self.parameters, &base.parameters),
            subject: self.subject.clone().or_else(|| base.subject.clone()),
        }
    }

    /// The key in one form that no other key has: each part with its length before it, and each list with its number of parts.
    #[cfg(feature = "shared")]
    pub(crate) fn canonical(&self) -> Vec<u8> {
        fn list<'a>(canonical: &mut Vec<u8>, parts: impl Iterator<Item = &'a String> + Clone) {
            canonical.extend_from_slice(&(parts.clone().count() as u64).to_be_bytes());
            for part in parts {
                canonical.extend_from_slice(&(part.len() as u64).to_be_bytes());
                canonical.extend_from_slice(part.as_bytes());
            }
        }
        let mut canonical = Vec::new();
        let client = self.client.iter();
        list(
            &mut canonical,
            client.flat_map(|client| {
                let parts = [&client.token_endpoint, &client.id, &client.auth_method];
                parts.into_iter().chain(&client.bound_to)
            }),
        );
        list(&mut canonical, self.audience.iter());
        list(&mut canonical, self.scopes.iter());
        list(&mut canonical, self.organization.iter());
        list(&mut canonical, self.parameters.iter().flat_map(|(name, value)| [name, value]));
        list(&mut canonical, self.subject.iter());
        canonical
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values of further parameters are left out, should a secret have got into them after all.
        let parameters: Vec<_> = self.parameters.iter().map(|(name, _)| name).collect();
        f.debug_struct("TokenKey")
            .field("client", &self.client)
            .field("audience", &self.audience)
            .field("scopes", &self.scopes)
            .field("organization", &self.organization)
            .field("parameters", &parameters)
            .field("subject", &self.subject)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "shared")]
    #[test]
    fn rule_1_no_two_keys_have_one_canonical_form() {
        let key = TokenKey::new;
        let keys = [
            key(),
            key().with_audience(""),
            key().with_audience("a"),
            key().with_organization("a"),
            key().with_subject("a"),
            key().with_scopes("a"),
            key().with_scopes("a b"),
            key().with_scopes("ab"),
            key().with_parameter("a", "b"),
            key().with_parameter("ab", ""),
            key().with_client("a", "b", "c"),
            key().with_client("ab", "", "c"),
            #[cfg(feature = "private-key-jwt")]
            key().with_client("a", "b", "c").bound_to("d".to_owned()),
            #[cfg(feature = "private-key-jwt")]
            key().with_client("a", "b", "c").bound_to("e".to_owned()),
            key().with_parameter("a", "b").with_parameter("c", "d"),
            key().with_parameter("a", "b").with_scopes("c d"),
        ];
        let forms: BTreeSet<_> = keys.iter().map(TokenKey::canonical).collect();
        assert_eq!(forms.len(), keys.len());
        let reordered = key().with_scopes("b a");
        assert_eq!(reordered.canonical(), key().with_scopes("a b").canonical());
    }

    #[test]
    fn rule_1_keys_differ_in_every_part() {
        let base = TokenKey::new()
            .with_client("https://id.example/oauth/token", "app", "client_secret_post")
            .with_audience("api")
            .with_scopes("a b")
            .with_organization("org")
            .with_parameter("resource", "r1");
        let others = [
            base.clone().with_client(
                "https://id2.example/oauth/token",
                "app",
                "client_secret_post",
            ),
            base.clone().with_client(
                "https://id.example/oauth/token",
                "app2",
                "client_secret_post",
            ),
            base.clone().with_client(
                "https://id.example/oauth/token",
                "app",
                "client_secret_basic",
            ),
            base.clone().with_audience("api2"),
            base.clone().with_scopes("c"),
            base.clone().with_organization("org2"),
            base.clone().with_parameter("resource", "r2"),
            base.clone().with_subject("ann"),
        ];
        let client = ("https://id.example/oauth/token", "app", "client_secret_post");
        assert_eq!((base.client(), TokenKey::new().client()), (Some(client), None));
        let distinct: BTreeSet<_> = others.iter().chain([&base]).collect();
        assert_eq!(distinct.len(), others.len() + 1);
    }

    #[test]
    fn rule_28_debug_shows_no_parameter_values() {
        let key = TokenKey::new().with_parameter("client_assertion", "sesame");
        assert!(!format!("{key:?}").contains("sesame"));
    }
}
