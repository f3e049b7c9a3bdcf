//! The API behind the tokens: users.

use http::header::AUTHORIZATION;
use serde_json::{Map, Value, json};

use super::{
    flavour::Flavour,
    responses::{self, BufferedResponse},
    routes::Action,
    tenant::{Call, State, Tenant},
    tokens::Invalid,
};

/// No user has this id.
pub const MISSING: &str = "missing";

/// Responds for a user endpoint: first the token, then its scope, then the user.
pub fn response(tenant: &Tenant, state: &mut State, call: &Call, scope: &str) -> BufferedResponse {
    let flavour = tenant.settings.flavour;
    let token = bearer(call).and_then(|text| match flavour {
        Flavour::Auth0 if text.split('.').count() != 3 => Err(Invalid::Malformed),
        _ => state.tokens.check(text, tenant.wall.now()),
    });
    match token {
        Err(why) => return flavour.unauthorized(why, &tenant.base),
        Ok(token) if !token.scopes.iter().any(|held| held == scope) => {
            return flavour.forbidden(scope, &tenant.base);
        }
        Ok(_) => {}
    }
    if call.parameter == MISSING {
        return flavour.error(404);
    }
    let given = match call.endpoint.action {
        Action::ReadUser => Ok(Map::new()),
        _ => serde_json::from_slice(&call.body),
    };
    let Ok(given) = given else {
        return flavour.error(400);
    };
    match call.endpoint.action {
        Action::CreateUser => {
            state.users += 1;
            let id = format!("auth0|{:024x}", state.users);
            responses::json(
                if flavour == Flavour::Auth0 { 201 } else { 200 },
                &user(flavour, &id, given),
            )
        }
        _ => responses::json(200, &user(flavour, &call.parameter, given)),
    }
}

/// The text of the bearer token.
pub fn bearer(call: &Call) -> Result<&str, Invalid> {
    let value = call.head.headers.get(AUTHORIZATION).ok_or(Invalid::Missing)?;
    let (scheme, token) =
        value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or(Invalid::Malformed)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(Invalid::Malformed) }
}

/// A user as the provider shows it, with what the client gave.
fn user(flavour: Flavour, id: &str, given: Map<String, Value>) -> Value {
    let mail = "jane@example.com";
    let mut user = match flavour {
        Flavour::Auth0 => {
            json!({ "user_id": id, "email": mail, "email_verified": true, "name": "Jane Doe" })
        }
        Flavour::Okta => {
            json!({ "id": id, "status": "ACTIVE", "profile": { "login": mail, "email": mail } })
        }
        Flavour::Clerk => {
            json!({ "id": id, "object": "user", "first_name": "Jane", "last_name": "Doe" })
        }
    };
    for (name, value) in given {
        user[name] = value;
    }
    user
}
