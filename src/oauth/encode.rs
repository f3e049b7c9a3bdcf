//! The body and the `Authorization` of a token request. Every buffer with a secret in it is wiped, and has its full capacity from the
//! start: one that grows leaves its old bytes behind.

use base64::{Engine, prelude::BASE64_STANDARD};
use form_urlencoded::{Serializer, byte_serialize};
use http::HeaderValue;
use serde::Serializer as _;
use zeroize::Zeroizing;

use crate::{error::InvalidConfig, token_cache::token::sensitive};

/// The parameters that have setters, and those of other authentication methods.
const RESERVED: [&str; 14] = [
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "audience",
    "organization",
    "scope",
    "redirect_uri",
    "refresh_token",
    "assertion",
    "subject_token",
    "actor_token",
    "password",
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

/// The body as a form.
pub(super) fn form(fields: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    // A byte becomes three at most, and a pair has two separators.
    let mut form = Serializer::new(String::with_capacity(3 * len(fields)));
    form.extend_pairs(fields);
    Zeroizing::new(form.finish().into_bytes())
}

/// The body as a JSON object.
pub(super) fn json(fields: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    // A byte becomes six at most, and a pair has six separators, the braces counted in.
    let mut json = Zeroizing::new(Vec::with_capacity(6 * len(fields)));
    // Strings written into memory cannot fail.
    drop(serde_json::Serializer::new(&mut *json).collect_map(fields.iter().copied()));
    json
}

/// `Basic` of the form-encoded id and secret, marked sensitive.
pub(super) fn basic(id: &str, secret: &str) -> Option<HeaderValue> {
    let mut pair = Zeroizing::new(String::with_capacity(3 * (id.len() + secret.len()) + 1));
    pair.extend(byte_serialize(id.as_bytes()));
    pair.push(':');
    pair.extend(byte_serialize(secret.as_bytes()));
    basic_value(&pair)
}

/// `Basic` of the id and the secret as they are, as some issuers read it.
pub(super) fn basic_raw(id: &str, secret: &str) -> Option<HeaderValue> {
    let mut pair = Zeroizing::new(String::with_capacity(id.len() + secret.len() + 1));
    pair.extend([id, ":", secret]);
    basic_value(&pair)
}

fn basic_value(pair: &str) -> Option<HeaderValue> {
    let mut encoded = Zeroizing::new(vec![0; 4 * pair.len().div_ceil(3)]);
    let written = BASE64_STANDARD.encode_slice(pair.as_bytes(), &mut encoded).ok()?;
    sensitive(&[b"Basic ", encoded.get(..written)?])
}

fn len(fields: &[(&str, &str)]) -> usize {
    fields.iter().map(|(name, value)| name.len() + value.len() + 2).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [(&str, &str); 3] =
        [("client_id", "id"), ("client_secret", "s=\"1\""), ("scope", "a b")];

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
    fn raw_basic_credentials_are_not_encoded() {
        let value = basic_raw("a:b", "c&d").unwrap();
        let decoded = BASE64_STANDARD.decode(&value.as_bytes()[b"Basic ".len()..]).unwrap();
        assert_eq!(text(&decoded), "a:b:c&d");
    }

    #[test]
    fn a_form_and_an_object_hold_the_same_fields() {
        let form = form(&FIELDS);
        assert_eq!(text(&form), "client_id=id&client_secret=s%3D%221%22&scope=a+b");
        let json: serde_json::Value = serde_json::from_slice(&json(&FIELDS)).unwrap();
        let fields: Vec<(String, String)> = form_urlencoded::parse(&form).into_owned().collect();
        assert_eq!(json.as_object().unwrap().len(), fields.len());
        for (name, value) in fields {
            assert_eq!(json[&name], value);
        }
    }

    #[test]
    fn rule_28_no_buffer_grows() {
        let worst = "\u{1}".repeat(1000);
        let fields = [("client_id", worst.as_str()), ("client_secret", &worst)];
        for encoded in [form(&fields), json(&fields)] {
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
