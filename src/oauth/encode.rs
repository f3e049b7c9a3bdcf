//! The body and the `Authorization` of a token request. Every buffer with a secret in it is wiped, and has its full capacity from the
//! start: one that grows leaves its old bytes behind.

use base64::{Engine, prelude::BASE64_STANDARD};
use form_urlencoded::{Serializer, byte_serialize};
use http::HeaderValue;
use serde::Serializer as _;
use zeroize::Zeroizing;

use crate::{
    error::InvalidConfig,
    token_cache::{TokenKey, token::sensitive},
};

/// The parameters that have setters, and those of other authentication methods.
const RESERVED: [&str; 9] = [
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "audience",
    "organization",
    "scope",
    "redirect_uri",
];

pub(super) fn reject_reserved(name: &str) -> Result<(), InvalidConfig> {
    if RESERVED.contains(&name) || name.is_empty() {
        let what = format!("token request parameter `{name}`");
        return Err(InvalidConfig::new(
            what,
            "it has a setter, or belongs to another authentication method",
        ));
    }
    Ok(())
}

/// The body as a form. `proof` are the fields that authenticate the client, if they are part of the body.
pub(super) fn form(proof: &[(&str, &str)], key: &TokenKey) -> Zeroizing<Vec<u8>> {
    let scopes = scopes(key);
    let fields = fields(proof, key, &scopes);
    // A byte becomes three at most, and a pair has two separators.
    let mut form = Serializer::new(String::with_capacity(3 * len(&fields)));
    form.extend_pairs(fields);
    Zeroizing::new(form.finish().into_bytes())
}

/// The body as a JSON object.
pub(super) fn json(proof: &[(&str, &str)], key: &TokenKey) -> Zeroizing<Vec<u8>> {
    let scopes = scopes(key);
    let fields = fields(proof, key, &scopes);
    // A byte becomes six at most, and a pair has six separators, the braces counted in.
    let mut json = Zeroizing::new(Vec::with_capacity(6 * len(&fields)));
    // Strings written into memory cannot fail.
    drop(serde_json::Serializer::new(&mut *json).collect_map(fields));
    json
}

/// `Basic` of the form-encoded id and secret, marked sensitive.
pub(super) fn basic(id: &str, secret: &str) -> Option<HeaderValue> {
    let mut pair = Zeroizing::new(String::with_capacity(3 * (id.len() + secret.len()) + 1));
    pair.extend(byte_serialize(id.as_bytes()));
    pair.push(':');
    pair.extend(byte_serialize(secret.as_bytes()));
    let mut encoded = Zeroizing::new(vec![0; 4 * pair.len().div_ceil(3)]);
    let written = BASE64_STANDARD.encode_slice(pair.as_bytes(), &mut encoded).ok()?;
    sensitive(&[b"Basic ", encoded.get(..written)?])
}

fn scopes(key: &TokenKey) -> String {
    key.scopes().collect::<Vec<_>>().join(" ")
}

fn fields<'a>(
    proof: &[(&'a str, &'a str)],
    key: &'a TokenKey,
    scopes: &'a str,
) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![("grant_type", "client_credentials")];
    fields.extend(proof);
    fields.extend(key.audience().map(|audience| ("audience", audience)));
    fields.extend(key.organization().map(|organization| ("organization", organization)));
    if !scopes.is_empty() {
        fields.push(("scope", scopes));
    }
    fields.extend(key.parameters());
    fields
}

fn len(fields: &[(&str, &str)]) -> usize {
    fields.iter().map(|(name, value)| name.len() + value.len() + 2).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROOF: [(&str, &str); 2] = [("client_id", "id"), ("client_secret", "s=\"1\"")];

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn basic_credentials_are_form_encoded_before_base64() {
        // RFC 6749 §2.3.1 and appendix B: ` %&+£€` becomes `+%25%26%2B%C2%A3%E2%82%AC`.
        let value = basic("a:b", " %&+£€").unwrap();
        assert!(value.is_sensitive());
        let decoded = BASE64_STANDARD.decode(&value.as_bytes()[b"Basic ".len()..]).unwrap();
        assert_eq!(text(&decoded), "a%3Ab:+%25%26%2B%C2%A3%E2%82%AC");
    }

    #[test]
    fn a_form_and_an_object_hold_the_same_fields() {
        let key = TokenKey::new()
            .with_audience("https://id.example/api/v2/")
            .with_organization("org_1")
            .with_scopes("read:users read:keys")
            .with_parameter("resource", "r&1");
        let form = form(&PROOF, &key);
        assert_eq!(
            text(&form),
            "grant_type=client_credentials&client_id=id&client_secret=s%3D%221%22\
             &audience=https%3A%2F%2Fid.example%2Fapi%2Fv2%2F&organization=org_1\
             &scope=read%3Akeys+read%3Ausers&resource=r%261"
        );
        let json: serde_json::Value = serde_json::from_slice(&json(&PROOF, &key)).unwrap();
        let fields: Vec<(String, String)> = form_urlencoded::parse(&form).into_owned().collect();
        assert_eq!(json.as_object().unwrap().len(), fields.len());
        for (name, value) in fields {
            assert_eq!(json[&name], value);
        }
    }

    #[test]
    fn rule_28_no_buffer_grows() {
        let (worst, key) = ("\u{1}".repeat(1000), TokenKey::new());
        let proof = [("client_id", worst.as_str()), ("client_secret", &worst)];
        for encoded in [form(&proof, &key), json(&proof, &key)] {
            let least = 3 * 2 * worst.len();
            assert!(encoded.len() >= least && encoded.capacity() < 2 * 6 * 2 * worst.len());
        }
    }

    #[test]
    fn reserved_parameters_are_rejected() {
        for name in ["client_secret", "scope", ""] {
            assert!(reject_reserved(name).unwrap_err().what().contains(name));
        }
        reject_reserved("resource").unwrap();
    }
}
