//! The token endpoint: who asks, and for what.

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderMap,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use serde_json::Value;

use super::{builder::Builder, denied::Denied, flavour::Flavour, tokens::Grant};

/// A request for a token, from a form or from JSON.
#[derive(Debug)]
pub struct Exchange {
    fields: HashMap<String, String>,
    basic: Option<(String, String)>,
}

// === impl Exchange ===

impl Exchange {
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Denied> {
        let kind =
            headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let pairs: Vec<(String, String)> = match kind.split(';').next().unwrap_or_default().trim() {
            "application/x-www-form-urlencoded" => {
                form_urlencoded::parse(body).into_owned().collect()
            }
            "application/json" => {
                let map: HashMap<String, Value> =
                    serde_json::from_slice(body).map_err(|_| Denied::Request("Malformed JSON."))?;
                let text =
                    |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                map.into_iter().map(|(name, value)| (name, text(value))).collect()
            }
            _ => return Err(Denied::Request("Unsupported content type.")),
        };
        let mut fields = HashMap::new();
        for (name, value) in pairs {
            // RFC 6749 section 3.2.
            if fields.insert(name, value).is_some() {
                return Err(Denied::Request("Parameters must not be included more than once."));
            }
        }
        let basic = match headers.get(AUTHORIZATION) {
            None => None,
            Some(value) => Some(
                basic(value.as_bytes()).ok_or(Denied::Request("Malformed client credentials."))?,
            ),
        };
        Ok(Self { fields, basic })
    }

    /// Checks the client, the grant type, the audience, the organization and the scopes, in that
    /// order.
    pub fn check(&self, settings: &Builder, secret: &str) -> Result<Grant, Denied> {
        let (id, given) = self.client()?;
        if id != settings.client_id {
            return Err(Denied::UnknownClient);
        }
        if given != secret {
            return Err(Denied::WrongSecret);
        }
        match self.field("grant_type") {
            Some("client_credentials") => {}
            // No audience: it was named at the sign-in.
            Some("refresh_token") => {
                let lifetime = settings.lifetime.or(settings.flavour.token_lifetime());
                return Ok(Grant { scopes: self.scopes(settings)?, organization: None, lifetime });
            }
            Some(other) => return Err(Denied::GrantType(other.to_owned())),
            None => return Err(Denied::Request("Missing required parameter: grant_type")),
        }
        if settings.flavour == Flavour::Auth0 {
            match self.field("audience") {
                Some(audience) if audience == settings.audience => {}
                Some(other) => return Err(Denied::Audience(other.to_owned())),
                None => return Err(Denied::NoAudience),
            }
        }
        let organization = self.field("organization").map(str::to_owned);
        if let Some(other) =
            organization.as_ref().filter(|name| !settings.organizations.contains(name))
        {
            return Err(Denied::Organization(other.clone()));
        }
        let lifetime = settings.lifetime.or(settings.flavour.token_lifetime());
        Ok(Grant { scopes: self.scopes(settings)?, organization, lifetime })
    }

    /// The refresh token of a request for that grant.
    pub fn refresh_token(&self) -> Option<&str> {
        (self.field("grant_type") == Some("refresh_token"))
            .then(|| self.field("refresh_token").unwrap_or_default())
    }

    fn client(&self) -> Result<(&str, &str), Denied> {
        let posted = (self.field("client_id"), self.field("client_secret"));
        match (&self.basic, posted) {
            // RFC 6749 section 2.3: never more than one method in one request.
            (Some(_), (_, Some(_))) => {
                Err(Denied::Request("More than one client authentication method."))
            }
            (Some((id, secret)), _) => Ok((id, secret)),
            (None, (Some(id), Some(secret))) => Ok((id, secret)),
            (None, (Some(_), None)) => Err(Denied::WrongSecret),
            (None, (None, _)) => Err(Denied::UnknownClient),
        }
    }

    /// Auth0 leaves out what the client was not granted; Okta rejects it.
    fn scopes(&self, settings: &Builder) -> Result<Vec<String>, Denied> {
        let granted = settings.granted();
        let Some(asked) = self.field("scope") else {
            return Ok(granted);
        };
        let (granted, other): (Vec<_>, Vec<_>) =
            asked.split_whitespace().map(str::to_owned).partition(|scope| granted.contains(scope));
        match settings.flavour {
            Flavour::Okta if !other.is_empty() => Err(Denied::Scope),
            _ => Ok(granted),
        }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

/// Client id and secret of a `Basic` value; both are form-encoded before they are joined (RFC 6749
/// section 2.3.1).
fn basic(value: &[u8]) -> Option<(String, String)> {
    let (scheme, encoded) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    let decoded =
        STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((form_decoded(id)?, form_decoded(secret)?))
}

/// Decodes one value alone: without its `&` and `=` it can only be the value of one pair.
fn form_decoded(text: &str) -> Option<String> {
    let pair = format!("v={}", text.replace('&', "%26"));
    form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
}
