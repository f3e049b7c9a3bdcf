//! Where well-known issuers have their endpoint, and what they expect there.

use super::{AuthMethod, ClientCredentials, Credentials, HttpService};
use crate::error::InvalidConfig;

// === impl ClientCredentials ===

impl ClientCredentials {
    /// A client of the Auth0 tenant at `domain`, for example `acme.eu.auth0.com`, that asks for tokens of its
    /// [Management API](https://auth0.com/docs/secure/tokens/access-tokens/management-api-access-tokens). For an API of your
    /// own set its [`audience`](Self::audience).
    ///
    /// The endpoint is `https://{domain}/oauth/token`, a secret goes into the body, the audience is
    /// `https://{domain}/api/v2/` and that of an assertion `https://{domain}/`. Behind a custom domain the Management API
    /// keeps the audience of the tenant's own: set it as well.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); `domain` is no host name; or an assertion would be longer than the 2048 bytes that Auth0
    /// [takes](https://auth0.com/docs/get-started/authentication-and-authorization-flow/authenticate-with-private-key-jwt).
    pub fn auth0<B, C>(
        service: impl HttpService<B>,
        domain: &str,
        client_id: impl Into<String>,
        credentials: C,
    ) -> Result<Self, InvalidConfig>
    where
        C: TryInto<Credentials>,
        C::Error: Into<InvalidConfig>,
    {
        reject_no_host("Auth0 domain", domain)?;
        let endpoint = format!("https://{domain}/oauth/token");
        let source = Self::new(service, &endpoint, client_id, credentials)?
            .audience(format!("https://{domain}/api/v2/"))
            .asserting_to(format!("https://{domain}/"));
        #[cfg(feature = "private-key-jwt")]
        source.client.reject_assertions_beyond(2048)?;
        Ok(source)
    }

    /// A client of the Okta org at `domain`, for example `acme.okta.com`: for Okta's own APIs, with scopes as
    /// `okta.users.read`.
    ///
    /// The endpoint is `https://{domain}/oauth2/v1/token`, which is the audience of an assertion too. It
    /// [takes a key only](https://developer.okta.com/docs/guides/implement-oauth-for-okta-serviceapp/main/).
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), or `domain` is no host name.
    #[cfg(feature = "private-key-jwt")]
    pub fn okta_org<B>(
        service: impl HttpService<B>,
        domain: &str,
        client_id: impl Into<String>,
        key: super::PrivateKey,
    ) -> Result<Self, InvalidConfig> {
        reject_no_host("Okta domain", domain)?;
        Self::new(service, &format!("https://{domain}/oauth2/v1/token"), client_id, key)
    }

    /// A client of the custom authorization server `server` of the Okta org at `domain`: for your own APIs. The server
    /// that every org begins with is called `default`.
    ///
    /// The endpoint is `https://{domain}/oauth2/{server}/v1/token`, which is the audience of an assertion too; a secret goes
    /// into the `Authorization` header, as Okta sets up its clients unless told otherwise.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); `domain` is no host name, or `server` none that fits into a path.
    pub fn okta<B, C>(
        service: impl HttpService<B>,
        domain: &str,
        server: &str,
        client_id: impl Into<String>,
        credentials: C,
    ) -> Result<Self, InvalidConfig>
    where
        C: TryInto<Credentials>,
        C::Error: Into<InvalidConfig>,
    {
        reject_no_host("Okta domain", domain)?;
        reject_no_segment("Okta authorization server", server)?;
        let endpoint = format!("https://{domain}/oauth2/{server}/v1/token");
        let source = Self::new(service, &endpoint, client_id, credentials)?;
        Ok(source.auth_method(AuthMethod::ClientSecretBasic))
    }

    /// A client of the realm `realm` of the Keycloak at `base`, for example `https://id.acme.com`. Keycloak before version 17
    /// has `/auth` after the host.
    ///
    /// The endpoint is `{base}/realms/{realm}/protocol/openid-connect/token`, a secret goes into the `Authorization` header,
    /// and the audience of an assertion is the issuer, `{base}/realms/{realm}`. Scopes and audience of the token are set up
    /// in Keycloak.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); `base` has a query; or `realm` does not fit into a path.
    pub fn keycloak<B, C>(
        service: impl HttpService<B>,
        base: &str,
        realm: &str,
        client_id: impl Into<String>,
        credentials: C,
    ) -> Result<Self, InvalidConfig>
    where
        C: TryInto<Credentials>,
        C::Error: Into<InvalidConfig>,
    {
        reject_no_segment("Keycloak realm", realm)?;
        if base.contains(['?', '#']) {
            // Not repeated: it may hold a password.
            let why = "expected an address as `https://host`, without a query or a fragment";
            return Err(InvalidConfig::new("Keycloak address", why));
        }
        let issuer = format!("{}/realms/{realm}", base.trim_end_matches('/'));
        let endpoint = format!("{issuer}/protocol/openid-connect/token");
        let source = Self::new(service, &endpoint, client_id, credentials)?
            .auth_method(AuthMethod::ClientSecretBasic)
            .asserting_to(issuer);
        Ok(source)
    }

    #[cfg(feature = "private-key-jwt")]
    fn asserting_to(self, audience: String) -> Self {
        self.assertion_audience(audience)
    }

    /// Without keys there are no assertions.
    #[cfg(not(feature = "private-key-jwt"))]
    fn asserting_to(self, _audience: String) -> Self {
        self
    }
}

fn reject_no_host(what: &'static str, domain: &str) -> Result<(), InvalidConfig> {
    let host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':');
    if domain.is_empty() || !domain.bytes().all(host) {
        let why = "expected a host name alone, as `acme.eu.auth0.com`";
        return Err(InvalidConfig::new(shown(what, domain), why));
    }
    Ok(())
}

/// What is wrong, with its value unless that may hold a password.
fn shown(what: &'static str, value: &str) -> String {
    if value.contains('@') { what.into() } else { format!("{what} `{value}`") }
}

fn reject_no_segment(what: &'static str, name: &str) -> Result<(), InvalidConfig> {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~' | b'%');
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
        let why = "expected one part of a path, percent-encoded";
        return Err(InvalidConfig::new(shown(what, name), why));
    }
    Ok(())
}
