//! The error body of an OAuth 2.0 endpoint, [RFC 6749 §5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2).

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use super::echo::Secrets;

/// The bound of a code: the longest registered one has 33 bytes.
const MAX_CODE_LEN: usize = 64;

/// The bound of a description. It is for a person to read, and comes from outside.
const MAX_TEXT_LEN: usize = 512;

/// How many letters of a secret in a row keep a code from being shown. An unknown code that is withheld for nothing costs little.
const SECRET_IN_CODE: usize = 4;

/// The same for a description, which has words that a secret may have as well.
const SECRET_IN_TEXT: usize = 8;

/// The codes that are registered, or that providers document. They are shown whatever the secrets are: they tell nothing of them.
const KNOWN: &[&str] = &[
    "access_denied",
    "account_selection_required",
    "authorization_pending",
    "bad_refresh_token",
    "bad_verification_code",
    "consent_required",
    "expired_token",
    "incorrect_client_credentials",
    "insufficient_user_authentication",
    "interaction_required",
    "invalid_assertion",
    "invalid_client",
    "invalid_dpop_proof",
    "invalid_grant",
    "invalid_request",
    "invalid_resource",
    "invalid_scope",
    "invalid_target",
    "invalid_token",
    "login_required",
    "mfa_required",
    "server_error",
    "slow_down",
    "temporarily_unavailable",
    "too_many_requests",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
    "unsupported_token_type",
    "use_dpop_nonce",
];

/// The error of an OAuth 2.0 endpoint: its `error` and `error_description`.
///
/// The code is there only if it looks like one, and the description is cut to its bound, without the characters that RFC 6749 does
/// not allow in it, so that control characters never reach a log. Neither holds a part of the secrets that were sent. `Debug` shows
/// the code alone: the description is free text.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct OAuthError {
    code: Option<String>,
    description: Option<String>,
}

// === impl OAuthError ===

impl OAuthError {
    /// Reads the body of a failing response; `None` if it is no OAuth error. `secrets` are those that the request carried.
    pub(super) fn from_slice(body: &[u8], secrets: &Secrets) -> Option<Self> {
        // Serde would also fill the struct from an array.
        if !body.trim_ascii_start().starts_with(b"{") {
            return None;
        }
        let raw: Raw = serde_json::from_slice(body).ok()?;
        let code = Some(raw.error).filter(|code| is_shown(code, secrets));
        let description = text(raw.error_description)
            .filter(|description| !secrets.is_part_in(description, SECRET_IN_TEXT));
        Some(Self { code, description })
    }

    /// The code, for example `invalid_client`; Auth0 says `access_denied` for a wrong secret.
    pub(super) fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The server's explanation for a person.
    pub(super) fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }
}

/// Whether a code may be shown: it looks like a code, and holds no part of a secret.
pub(super) fn is_shown(code: &str, secrets: &Secrets) -> bool {
    let is_code = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    KNOWN.contains(&code)
        || (1..=MAX_CODE_LEN).contains(&code.len())
            && code.bytes().all(is_code)
            && !secrets.is_part_in(code, SECRET_IN_CODE)
}

impl fmt::Debug for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthError").field("code", &self.code).finish_non_exhaustive()
    }
}

/// The body as sent. Only the code must have the right type.
#[derive(Deserialize)]
struct Raw {
    error: String,
    #[serde(default)]
    error_description: Value,
}

fn text(value: Value) -> Option<String> {
    let Value::String(text) = value else { return None };
    // The characters that RFC 6749 §5.2 allows, quotes and backslashes besides: they are harmless, and Auth0 quotes names.
    let cleaned = text.chars().filter(|char| matches!(char, ' '..='~')).take(MAX_TEXT_LEN);
    Some(cleaned.collect()).filter(|text: &String| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(body: &[u8]) -> Option<OAuthError> {
        OAuthError::from_slice(body, &Secrets::default())
    }

    #[test]
    fn the_code_and_the_description_are_read() {
        let body = br#"{"error":"unauthorized_client","error_description":"Grant type 'client_credentials' not allowed",
            "error_uri":"https://auth0.com/docs/clients/client-grant-types"}"#;
        let error = read(body).unwrap();
        assert_eq!(error.code(), Some("unauthorized_client"));
        assert_eq!(error.description(), Some("Grant type 'client_credentials' not allowed"));
    }

    #[test]
    fn what_is_no_oauth_error_is_none() {
        let nested = br#"{"error":{"code":401,"status":"UNAUTHENTICATED"}}"#;
        for body in [&b""[..], b"<html>", b"{}", b"[]", b"null", nested] {
            assert_eq!(read(body), None, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn a_description_of_the_wrong_type_does_not_cost_the_code() {
        let error = read(br#"{"error":"invalid_client","error_description":["a"]}"#).unwrap();
        assert_eq!((error.code(), error.description()), (Some("invalid_client"), None));
    }

    #[test]
    fn rule_47_only_what_looks_like_a_code_is_one_and_what_holds_a_secret_is_not() {
        let long = "e".repeat(64);
        let mut secrets = Secrets::default();
        secrets.add("invalid_Sesame.42");
        for (sent, shown) in [
            ("invalid_grant", true),
            ("invalid_client", true),
            ("AADSTS-7000215.x", true),
            (&long, true),
            (&format!("{long}e"), false),
            ("", false),
            ("\\n", false),
            ("two words", false),
            ("https://id.example", false),
            ("invalid_client_x", false),
            ("wrong_sesame", false),
            ("SESAME", false),
            ("c2VzYW1l", false),
            ("534553414d45", false),
        ] {
            let body = format!(r#"{{"error":"{sent}","error_description":"it was {sent}"}}"#);
            let error = OAuthError::from_slice(body.as_bytes(), &secrets).unwrap();
            assert_eq!(error.code().is_some(), shown, "{sent}");
        }
        let body = br#"{"error":"x","error_description":"the secret invalid_sesame.42 is wrong"}"#;
        assert_eq!(OAuthError::from_slice(body, &secrets).unwrap().description(), None);
        let body = br#"{"error":"x","error_description":"the client is disabled"}"#;
        assert!(OAuthError::from_slice(body, &secrets).unwrap().description().is_some());
    }

    #[test]
    fn control_characters_are_left_out_and_long_texts_are_cut() {
        let long = "d".repeat(10_000);
        let body = format!(r#"{{"error":"a\r\nb\u001b[31m","error_description":"{long}"}}"#);
        let error = read(body.as_bytes()).unwrap();
        assert_eq!(error.code(), None);
        assert_eq!(error.description().unwrap().len(), MAX_TEXT_LEN);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _read = read(&body);
        }

        #[test]
        fn any_text_comes_out_clean_and_short(code in any::<String>(), description in any::<String>()) {
            let body = serde_json::json!({ "error": code, "error_description": description }).to_string();
            if let Some(error) = read(body.as_bytes()) {
                for text in [error.code(), error.description()].into_iter().flatten() {
                    prop_assert!(text.len() <= MAX_TEXT_LEN && text.bytes().all(|byte| matches!(byte, b' '..=b'~')));
                }
            }
        }
    }
}
