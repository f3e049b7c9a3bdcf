//! The error body of an OAuth 2.0 endpoint, [RFC 6749 §5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2).

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

/// The bound of a code: the longest registered one has 33 bytes.
const MAX_CODE_LEN: usize = 64;

/// The bound of a description. It is for a person to read, and comes from outside.
const MAX_TEXT_LEN: usize = 512;

/// The error of an OAuth 2.0 endpoint: its `error` and `error_description`.
///
/// Both are cut to their bounds, without the characters that RFC 6749 does not allow in them, so that control characters never
/// reach a log. `Debug` shows the code alone: the description is free text, which may repeat what was sent.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct OAuthError {
    code: String,
    description: Option<String>,
}

// === impl OAuthError ===

impl OAuthError {
    /// Reads the body of a failing response; `None` if it is no OAuth error.
    pub(super) fn from_slice(body: &[u8]) -> Option<Self> {
        // Serde would also fill the struct from an array.
        if !body.trim_ascii_start().starts_with(b"{") {
            return None;
        }
        let raw: Raw = serde_json::from_slice(body).ok()?;
        let code = cleaned(&raw.error, MAX_CODE_LEN);
        if code.is_empty() {
            return None;
        }
        Some(Self { code, description: text(raw.error_description) })
    }

    /// The code, for example `invalid_client`; Auth0 says `access_denied` for a wrong secret.
    pub(super) fn code(&self) -> &str {
        &self.code
    }

    /// The server's explanation for a person.
    pub(super) fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }
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
    Some(cleaned(&text, MAX_TEXT_LEN)).filter(|text| !text.is_empty())
}

/// The characters that RFC 6749 §5.2 allows, quotes and backslashes besides: they are harmless, and Auth0 quotes names.
fn cleaned(text: &str, max_len: usize) -> String {
    text.chars().filter(|char| matches!(char, ' '..='~')).take(max_len).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_code_and_the_description_are_read() {
        let body = br#"{"error":"unauthorized_client","error_description":"Grant type 'client_credentials' not allowed",
            "error_uri":"https://auth0.com/docs/clients/client-grant-types"}"#;
        let error = OAuthError::from_slice(body).unwrap();
        assert_eq!(error.code(), "unauthorized_client");
        assert_eq!(error.description(), Some("Grant type 'client_credentials' not allowed"));
    }

    #[test]
    fn what_is_no_oauth_error_is_none() {
        let nested = br#"{"error":{"code":401,"status":"UNAUTHENTICATED"}}"#;
        for body in [
            &b""[..],
            b"<html>",
            b"{}",
            b"[]",
            b"null",
            b"{\"error\":\"\"}",
            b"{\"error\":\"\\n\"}",
            nested,
        ] {
            assert_eq!(OAuthError::from_slice(body), None, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn a_description_of_the_wrong_type_does_not_cost_the_code() {
        let error =
            OAuthError::from_slice(br#"{"error":"invalid_client","error_description":["a"]}"#)
                .unwrap();
        assert_eq!((error.code(), error.description()), ("invalid_client", None));
    }

    #[test]
    fn control_characters_are_left_out_and_long_texts_are_cut() {
        let long = "d".repeat(10_000);
        let body = format!(r#"{{"error":"a\r\nb\u001b[31m","error_description":"{long}"}}"#);
        let error = OAuthError::from_slice(body.as_bytes()).unwrap();
        assert_eq!(error.code(), "ab[31m");
        assert_eq!(error.description().unwrap().len(), MAX_TEXT_LEN);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _read = OAuthError::from_slice(&body);
        }

        #[test]
        fn any_text_comes_out_clean_and_short(code in any::<String>(), description in any::<String>()) {
            let body = serde_json::json!({ "error": code, "error_description": description }).to_string();
            if let Some(error) = OAuthError::from_slice(body.as_bytes()) {
                for text in [Some(error.code()), error.description()].into_iter().flatten() {
                    prop_assert!(text.len() <= MAX_TEXT_LEN && text.bytes().all(|byte| matches!(byte, b' '..=b'~')));
                }
            }
        }
    }
}
