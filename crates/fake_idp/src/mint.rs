//! What a token looks like, and the response that holds it.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderValue, header::CACHE_CONTROL};
use serde_json::{Value, json};

use super::{
    denied::Denied,
    exchange::Exchange,
    flavour::Flavour,
    responses::{self, BufferedResponse},
    seen::What,
    tenant::{Call, State, Tenant},
    tokens::{Grant, Issued},
    users,
};

/// Responds for the token endpoint of Auth0 and Okta.
pub fn token(tenant: &Tenant, state: &mut State, call: &Call) -> BufferedResponse {
    let settings = &tenant.settings;
    let granted = Exchange::read(&call.head.headers, &call.body).and_then(|exchange| {
        let grant = exchange.check(settings, &state.client_secret)?;
        let Some(used) = exchange.refresh_token() else { return Ok((grant, None)) };
        let next = state.families.rotate(used).ok_or(Denied::RefreshToken)?;
        Ok((grant, Some(next)))
    });
    match granted {
        Err(denied) => denied.response(settings.flavour),
        Ok((grant, refresh_token)) => {
            let expires_in = settings.expires_in.or(grant.lifetime);
            let issued = issue(tenant, state, grant);
            state.seen.tokens_granted += 1;
            let mut body = json!({
                "access_token": issued.text,
                "expires_in": expires_in.map(seconds),
                "scope": issued.scopes.join(" "),
                "token_type": "Bearer",
            });
            if let Some(refresh_token) = refresh_token {
                body["refresh_token"] = refresh_token.into();
            }
            unstored(responses::json(200, &body))
        }
    }
}

/// Responds for Clerk's endpoint for machine tokens, which never end unless they are asked to.
pub fn machine_token(tenant: &Tenant, state: &mut State, call: &Call) -> BufferedResponse {
    let (settings, now) = (&tenant.settings, tenant.wall.now());
    let key = users::bearer(call).and_then(|key| state.tokens.check(key, now));
    match key {
        Err(why) => return settings.flavour.unauthorized(why, &tenant.base),
        Ok(key) if key.text != settings.api_key => {
            return settings.flavour.forbidden("", &tenant.base);
        }
        Ok(_) => {}
    }
    let asked: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let lifetime = asked["seconds_until_expiration"].as_f64().map(Duration::from_secs_f64);
    let issued = issue(
        tenant,
        state,
        Grant { lifetime: lifetime.or(settings.lifetime), ..Grant::default() },
    );
    state.seen.tokens_granted += 1;
    let millis = |at: Duration| tenant.wall.shown(at).as_millis() as u64;
    let body = json!({
        "object": "machine_to_machine_token", "id": format!("mt_{:026}", issued.serial),
        "subject": "mch_2xhFjEI5X2qWRvtV13BzSj8H6Dk", "scopes": [], "claims": asked["claims"],
        "token": issued.text, "revoked": false, "revocation_reason": null, "expired": false,
        "expiration": issued.expires.map(millis), "last_used_at": null,
        "created_at": millis(issued.at), "updated_at": millis(issued.at),
    });
    unstored(responses::json(201, &body))
}

/// Gives out one token.
pub fn issue(tenant: &Tenant, state: &mut State, grant: Grant) -> Issued {
    let now = tenant.wall.now();
    let text = match tenant.settings.flavour {
        Flavour::Auth0 | Flavour::Okta => jwt(tenant, &grant, now),
        Flavour::Clerk => format!("mt_{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>())),
    };
    let issued = state.tokens.issue(text, grant, now).clone();
    state.seen.note(tenant.wall.offset(), What::TokenIssued { serial: issued.serial });
    issued
}

/// A JWT in all but its signature, which is random: so no two tokens are alike.
fn jwt(tenant: &Tenant, grant: &Grant, now: Duration) -> String {
    let settings = &tenant.settings;
    let claim = |at: Duration| tenant.wall.shown(at).as_secs();
    let mut claims = json!({
        "iss": format!("{}/", tenant.base), "sub": format!("{}@clients", settings.client_id),
        "aud": settings.audience, "azp": settings.client_id, "gty": "client-credentials",
        "iat": claim(now), "exp": grant.lifetime.map(|lifetime| claim(now + lifetime)),
        "scope": grant.scopes.join(" "),
    });
    if let Some(organization) = &grant.organization {
        claims["org_id"] = organization.as_str().into();
    }
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = encode(json!({ "alg": "RS256", "typ": "JWT", "kid": "fake" }));
    let signature = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    format!("{header}.{}.{signature}", encode(claims))
}

/// Whole seconds as an integer, as all providers send them; parts of a second are for tests that
/// cannot wait.
fn seconds(time: Duration) -> Value {
    if time.subsec_nanos() == 0 { time.as_secs().into() } else { time.as_secs_f64().into() }
}

/// RFC 6749 section 5.1.
fn unstored(mut response: BufferedResponse) -> BufferedResponse {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
