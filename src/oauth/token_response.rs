//! The response of an OAuth 2.0 token endpoint, [RFC 6749 §5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1).

use std::{error::Error, fmt, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

/// A longer lifetime is cut to this: the longest that Auth0 grants.
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A token as its issuer sent it.
///
/// `Debug` shows no token, and this copy of it is wiped when it is dropped.
#[derive(Clone)]
pub struct TokenResponse {
    access_token: Zeroizing<String>,
    expires_in: Option<Duration>,
}

/// Why a successful response of a token endpoint holds no usable token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MalformedToken {
    /// The body is empty.
    Empty,
    /// The body is longer than 64 KiB.
    TooLong,
    /// The body is no JSON object of the right shape: a login page, for example.
    NotJson,
    /// There is no `access_token`, or it is empty.
    NoAccessToken,
    /// The `access_token` has a line break or another character that no header may carry.
    UnsendableToken,
    /// The `token_type` is missing or is not `Bearer`.
    NotBearer,
    /// The `expires_in` is zero, negative, or no number.
    BadLifetime,
}

/// The body as sent.
#[derive(Deserialize)]
struct Raw {
    access_token: Option<Zeroizing<String>>,
    #[serde(default)]
    token_type: Value,
    #[serde(default)]
    expires_in: Value,
}

// === impl TokenResponse ===

impl TokenResponse {
    /// Reads the body of a successful response.
    ///
    /// * `access_token`: one or more visible ASCII characters, so that it fits into a header as it is.
    /// * `token_type`: `Bearer` in any case. RFC 6749 requires it; no other type can be sent as a bearer token.
    /// * `expires_in`: seconds from the response on, as an integer, a decimal, or a string of either. Missing and `null`
    ///   leave it unknown; more than 30 days is cut to 30 days.
    ///
    /// # Errors
    ///
    /// [`MalformedToken`] says which of these does not hold, or that the body is no JSON object.
    pub fn from_slice(body: &[u8]) -> Result<Self, MalformedToken> {
        if body.trim_ascii().is_empty() {
            return Err(MalformedToken::Empty);
        }
        // Serde would also fill the struct from an array.
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(MalformedToken::NotJson);
        }
        let raw: Raw = serde_json::from_slice(body).map_err(|_| MalformedToken::NotJson)?;
        let access_token = raw.access_token.ok_or(MalformedToken::NoAccessToken)?;
        if access_token.is_empty() {
            return Err(MalformedToken::NoAccessToken);
        }
        if !access_token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(MalformedToken::UnsendableToken);
        }
        if !matches!(&raw.token_type, Value::String(name) if name.eq_ignore_ascii_case("bearer")) {
            return Err(MalformedToken::NotBearer);
        }
        Ok(Self { access_token, expires_in: lifetime(&raw.expires_in)? })
    }

    /// The token itself.
    #[must_use]
    pub fn access_token(&self) -> &str {
        &self.access_token
    }

    /// The token's lifetime from the response on, more than zero; `None` if it is unknown.
    #[must_use]
    pub fn expires_in(&self) -> Option<Duration> {
        self.expires_in
    }
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse")
            .field("access_token", &"[censored]")
            .field("expires_in", &self.expires_in)
            .finish()
    }
}

// === impl MalformedToken ===

impl fmt::Display for MalformedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the token response is empty",
            Self::TooLong => "the token response is longer than 64 KiB",
            Self::NotJson => "the token response is not a JSON object",
            Self::NoAccessToken => "the token response holds no access token",
            Self::UnsendableToken => "the access token has a character that no header may carry",
            Self::NotBearer => "the token type is not Bearer",
            Self::BadLifetime => "the token's expires_in is not a positive number of seconds",
        })
    }
}

impl Error for MalformedToken {}

fn lifetime(expires_in: &Value) -> Result<Option<Duration>, MalformedToken> {
    let seconds = match expires_in {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => decimal(text.trim()),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let lifetime = seconds
        .filter(|seconds| *seconds > 0.0)
        .map(|seconds| Duration::from_secs_f64(seconds.min(MAX_LIFETIME.as_secs_f64())))
        .filter(|lifetime| !lifetime.is_zero());
    lifetime.map(Some).ok_or(MalformedToken::BadLifetime)
}

/// A number in digits. `f64` alone would also take `inf`, `nan` and `infinity`.
fn decimal(text: &str) -> Option<f64> {
    let in_digits =
        text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'+' | b'-' | b'e' | b'E'));
    if in_digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(body: &str) -> Result<TokenResponse, MalformedToken> {
        TokenResponse::from_slice(body.as_bytes())
    }

    fn life_of(expires_in: &str) -> Result<Option<Duration>, MalformedToken> {
        let body =
            format!(r#"{{"access_token":"a","token_type":"bearer","expires_in":{expires_in}}}"#);
        read(&body).map(|response| response.expires_in())
    }

    #[test]
    fn rule_6_expires_in_is_an_integer_a_decimal_or_a_string_of_either() {
        for (sent, millis) in [
            ("3600", 3_600_000),
            ("3600.5", 3_600_500),
            ("\"3600\"", 3_600_000),
            ("\" 3600.5 \"", 3_600_500),
            ("3.6e3", 3_600_000),
            ("0.25", 250),
        ] {
            assert_eq!(life_of(sent), Ok(Some(Duration::from_millis(millis))), "{sent}");
        }
    }

    #[test]
    fn rule_6_a_missing_lifetime_is_unknown_and_never_endless() {
        assert_eq!(life_of("null"), Ok(None));
        let response = read(r#"{"access_token":"a","token_type":"Bearer"}"#).unwrap();
        assert_eq!(response.expires_in(), None);
    }

    #[test]
    fn rule_6_a_lifetime_that_is_no_positive_number_is_malformed() {
        for sent in [
            "0", "-1", "-0.0", "0.0", "\"0\"", "\"-5\"", "\"\"", "\"NaN\"", "\"inf\"", "\"soon\"",
            "true", "[]", "{}", "1e-12",
        ] {
            assert_eq!(life_of(sent), Err(MalformedToken::BadLifetime), "{sent}");
        }
    }

    #[test]
    fn rule_6_a_lifetime_of_more_than_thirty_days_is_cut() {
        for sent in [
            "2592001",
            "18446744073709551615",
            "1e30",
            "\"1e400\"",
            "1000000000000000000000000000000",
        ] {
            assert_eq!(life_of(sent), Ok(Some(MAX_LIFETIME)), "{sent}");
        }
        assert_eq!(life_of("2592000"), Ok(Some(MAX_LIFETIME)));
    }

    #[test]
    fn rule_15_what_holds_no_usable_token_is_malformed_and_says_why() {
        use MalformedToken::{Empty, NoAccessToken, NotBearer, NotJson, UnsendableToken};
        for (body, why) in [
            ("", Empty),
            (" \r\n", Empty),
            ("<!DOCTYPE html><title>Sign in</title>", NotJson),
            ("null", NotJson),
            (r#"["a","Bearer",60]"#, NotJson),
            ("\"token\"", NotJson),
            (r#"{"access_token":7,"token_type":"Bearer"}"#, NotJson),
            (r#"{"access_token":"a","token_type":"Bearer""#, NotJson),
            ("{}", NoAccessToken),
            (r#"{"access_token":null,"token_type":"Bearer"}"#, NoAccessToken),
            (r#"{"access_token":"","token_type":"Bearer"}"#, NoAccessToken),
            (r#"{"access_token":"a\nb","token_type":"Bearer"}"#, UnsendableToken),
            (r#"{"access_token":"a\u0000","token_type":"Bearer"}"#, UnsendableToken),
            (r#"{"access_token":"a b","token_type":"Bearer"}"#, UnsendableToken),
            (r#"{"access_token":"schlüssel","token_type":"Bearer"}"#, UnsendableToken),
            (r#"{"access_token":"a"}"#, NotBearer),
            (r#"{"access_token":"a","token_type":"mac"}"#, NotBearer),
            (r#"{"access_token":"a","token_type":"DPoP"}"#, NotBearer),
            (r#"{"access_token":"a","token_type":1}"#, NotBearer),
        ] {
            assert_eq!(read(body).map(|_| ()), Err(why), "{}", &body[..body.len().min(80)]);
        }
    }

    #[test]
    fn the_token_type_is_compared_without_case_and_other_members_are_passed_over() {
        let body = r#"{"scope":"read:clients","access_token":"e.y-J_~+/=","token_type":"bEaReR","refresh_token":1}"#;
        assert_eq!(read(body).unwrap().access_token(), "e.y-J_~+/=");
    }

    #[test]
    fn rule_28_debug_shows_no_token() {
        let response = read(r#"{"access_token":"sesame","token_type":"Bearer"}"#).unwrap();
        assert!(!format!("{response:?}").contains("sesame"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _read = TokenResponse::from_slice(&body);
        }

        #[test]
        fn any_lifetime_is_within_its_bounds_or_malformed(seconds in any::<f64>(), as_text in any::<bool>()) {
            let sent = if as_text { format!("\"{seconds:e}\"") } else { serde_json::json!(seconds).to_string() };
            if let Ok(Some(life)) = life_of(&sent) {
                prop_assert!(seconds > 0.0 && !life.is_zero() && life <= MAX_LIFETIME);
            }
        }
    }
}
