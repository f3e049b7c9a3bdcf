//! The response of an OAuth 2.0 token endpoint, [RFC 6749 §5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1).

use std::{
    borrow::Cow,
    error::Error,
    fmt,
    time::{Duration, SystemTime},
};

use zeroize::Zeroizing;

use super::members::{Member, Members};
use crate::headers::date::{rfc3339, unix_nanos};

/// A longer lifetime is cut to this: the longest that Auth0 grants.
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What a token endpoint responded, with all its members: the hook of a [`RefreshToken`](super::RefreshToken) gets it, and a source of
/// your own can read it.
///
/// `Debug` shows no value, and this copy is wiped when it is dropped.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_heed::oauth::TokenResponse;
///
/// let body = br#"{"access_token":"at","token_type":"Bearer","expires_in":60,"refresh_token":"rt","id_token":"it"}"#;
/// let response = TokenResponse::from_slice(body, SystemTime::now())?;
/// assert_eq!(response.refresh_token(), Some("rt"));
/// assert_eq!(response.member("id_token"), Some("it"));
/// assert_eq!(response.expires_in(), Some(Duration::from_secs(60)));
/// # Ok::<(), tower_heed::oauth::MalformedToken>(())
/// ```
#[derive(Clone)]
pub struct TokenResponse {
    access_token: Zeroizing<String>,
    is_dpop: bool,
    expires_in: Option<Duration>,
    members: Members,
}

/// How far a response may differ from RFC 6749.
#[derive(Clone, Debug)]
pub(super) struct Leniency {
    /// Where the token is: a member, or a path of members with dots in between.
    pub(super) token: Cow<'static, str>,
    pub(super) any_token_type: bool,
    pub(super) lifetime_in_millis: bool,
    /// The token may be bound to a key.
    pub(super) dpop: bool,
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
    /// The `expires_in` is zero, negative, or no number; or the `expires_at` has passed.
    BadLifetime,
}

// === impl TokenResponse ===

impl TokenResponse {
    /// Reads the body of a successful response.
    ///
    /// * `access_token`: one or more visible ASCII characters, so that it fits into a header as it is.
    /// * `token_type`: `Bearer` in any case. RFC 6749 requires it; no other type can be sent as a bearer token.
    /// * `expires_in`: seconds from the response on, as an integer, a decimal, or a string of either. Without it `expires_at` or
    ///   `expires_on`: seconds or milliseconds since 1970, or a date of RFC 3339, compared with `now`, the issuer's time. Missing
    ///   and `null` leave the lifetime unknown; more than 30 days is cut to 30 days.
    ///
    /// # Errors
    ///
    /// [`MalformedToken`] says which of these does not hold, or that the body is no JSON object.
    pub fn from_slice(body: &[u8], now: SystemTime) -> Result<Self, MalformedToken> {
        Self::read(body, &Leniency::default(), now)
    }

    pub(super) fn read(
        body: &[u8],
        leniency: &Leniency,
        now: SystemTime,
    ) -> Result<Self, MalformedToken> {
        if body.trim_ascii().is_empty() {
            return Err(MalformedToken::Empty);
        }
        let members = Members::from_slice(body).ok_or(MalformedToken::NotJson)?;
        let access_token = match members.at(&leniency.token) {
            None | Some(Member::Null) => return Err(MalformedToken::NoAccessToken),
            Some(Member::Text(token)) if token.is_empty() => {
                return Err(MalformedToken::NoAccessToken);
            }
            Some(Member::Text(token)) => token.clone(),
            Some(_) => return Err(MalformedToken::NotJson),
        };
        if !access_token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(MalformedToken::UnsendableToken);
        }
        let token_type = members.text("token_type").unwrap_or_default();
        let is_dpop = leniency.dpop && token_type.eq_ignore_ascii_case("dpop");
        if !(is_dpop || leniency.any_token_type || token_type.eq_ignore_ascii_case("bearer")) {
            return Err(MalformedToken::NotBearer);
        }
        let expires_in = match lifetime(members.at("expires_in"), leniency.lifetime_in_millis)? {
            Some(lifetime) => Some(lifetime),
            None => until(members.at("expires_at").or_else(|| members.at("expires_on")), now)?,
        };
        Ok(Self { access_token, is_dpop, expires_in, members })
    }

    /// A response that holds a refresh token, whatever its access token is: that is left out.
    pub(super) fn rotated(body: &[u8]) -> Option<Self> {
        let members = Members::from_slice(body)?;
        let access_token = Zeroizing::default();
        let response = Self { access_token, is_dpop: false, expires_in: None, members };
        response.refresh_token().is_some().then_some(response)
    }

    /// The token itself. Empty only in a hook of [`RefreshToken::on_rotation`](super::RefreshToken::on_rotation).
    #[must_use]
    pub fn access_token(&self) -> &str {
        &self.access_token
    }

    /// The token's lifetime from the response on, more than zero; `None` if it is unknown.
    #[must_use]
    pub const fn expires_in(&self) -> Option<Duration> {
        self.expires_in
    }

    /// The next refresh token, if the response has one.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&str> {
        self.member("refresh_token").filter(|token| !token.is_empty())
    }

    /// A member that is a string: `id_token`, `scope`, and those of the issuer's own. A path with dots leads into objects:
    /// `authed_user.access_token`.
    #[must_use]
    pub fn member(&self, path: &str) -> Option<&str> {
        self.members.text(path)
    }

    /// Whether the token is bound to a key (RFC 9449).
    pub(super) const fn is_dpop(&self) -> bool {
        self.is_dpop
    }
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse")
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
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
            Self::BadLifetime => "the token's lifetime is not a positive number of seconds",
        })
    }
}

impl Error for MalformedToken {}

// === impl Leniency ===

impl Default for Leniency {
    fn default() -> Self {
        let token = Cow::Borrowed("access_token");
        Self { token, any_token_type: false, lifetime_in_millis: false, dpop: false }
    }
}

fn lifetime(
    expires_in: Option<&Member>,
    in_millis: bool,
) -> Result<Option<Duration>, MalformedToken> {
    let number = match expires_in {
        None | Some(Member::Null) => return Ok(None),
        Some(Member::Number(number)) => Some(*number),
        Some(Member::Text(text)) => decimal(text.trim()),
        Some(Member::Object(_) | Member::Other) => None,
    };
    let seconds = number.map(|number| if in_millis { number / 1000.0 } else { number });
    positive(seconds).map(Some).ok_or(MalformedToken::BadLifetime)
}

/// The time from `now` to an absolute end.
fn until(end: Option<&Member>, now: SystemTime) -> Result<Option<Duration>, MalformedToken> {
    let number = match end {
        None | Some(Member::Null) => return Ok(None),
        Some(Member::Number(number)) => Some(*number),
        Some(Member::Text(text)) => decimal(text.trim()),
        Some(Member::Object(_) | Member::Other) => return Err(MalformedToken::BadLifetime),
    };
    // The nearest second is exact enough for a date of this century.
    let end = match (number, end) {
        (Some(number), _) if number > LEAST_MILLIS => number / 1e3,
        (Some(number), _) => number,
        (None, Some(Member::Text(text))) => match rfc3339(text.trim().as_bytes()) {
            Some(nanos) => nanos as f64 / 1e9,
            // Some issuers write a date of their own. It says nothing that can be relied on.
            None => return Ok(None),
        },
        (None, _) => return Err(MalformedToken::BadLifetime),
    };
    let left = end - unix_nanos(now) as f64 / 1e9;
    positive(Some(left)).map(Some).ok_or(MalformedToken::BadLifetime)
}

/// From here on a number is of milliseconds since 1970, and not of seconds: in the year 5138.
const LEAST_MILLIS: f64 = 1e11;

fn positive(seconds: Option<f64>) -> Option<Duration> {
    seconds
        .filter(|seconds| *seconds > 0.0)
        .map(|seconds| Duration::from_secs_f64(seconds.min(MAX_LIFETIME.as_secs_f64())))
        .filter(|lifetime| !lifetime.is_zero())
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

    /// A second after the start of 2027.
    const NOW: Duration = Duration::from_secs(1_798_761_601);

    fn read(body: &str) -> Result<TokenResponse, MalformedToken> {
        TokenResponse::from_slice(body.as_bytes(), SystemTime::UNIX_EPOCH + NOW)
    }

    fn leniently(leniency: &Leniency, body: &str) -> Result<TokenResponse, MalformedToken> {
        TokenResponse::read(body.as_bytes(), leniency, SystemTime::UNIX_EPOCH + NOW)
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
    fn rule_48_an_absolute_end_is_compared_with_the_issuers_time() {
        let until = |member: &str| {
            let body = format!(r#"{{"access_token":"a","token_type":"bearer",{member}}}"#);
            read(&body).map(|response| response.expires_in())
        };
        let seconds = |seconds| Ok(Some(Duration::from_secs(seconds)));
        assert_eq!(until(r#""expires_at":1798761661"#), seconds(60));
        assert_eq!(until(r#""expires_at":1798761661000"#), seconds(60));
        assert_eq!(until(r#""expires_on":"1798761661""#), seconds(60));
        assert_eq!(until(r#""expires_at":"2027-01-01T01:00:01Z""#), seconds(3600));
        assert_eq!(until(r#""expires_in":5,"expires_at":1798761661"#), seconds(5));
        assert_eq!(until(r#""expires_in":null,"expires_at":1798761661"#), seconds(60));
        assert_eq!(until(r#""expires_at":1e300"#), Ok(Some(MAX_LIFETIME)));
        assert_eq!(until(r#""expires_at":null"#), Ok(None));
        assert_eq!(until(r#""expires_on":"1/1/2027 1:00:00 AM +00:00""#), Ok(None));
        for passed in ["1798761601", "5", "-1", "\"2026-12-31T23:00:00Z\"", "[]", "true"] {
            let end = until(&format!(r#""expires_at":{passed}"#));
            assert_eq!(end, Err(MalformedToken::BadLifetime), "{passed}");
        }
    }

    #[test]
    fn rule_48_further_members_are_kept() {
        let body = r#"{"access_token":"a","token_type":"Bearer","refresh_token":"r","id_token":"i","scope":"x y",
            "count":7,"none":null,"authed_user":{"id":"U1","deep":{"er":"yes"}},"list":["a"]}"#;
        let response = read(body).unwrap();
        assert_eq!(response.refresh_token(), Some("r"));
        assert_eq!(response.member("id_token"), Some("i"));
        assert_eq!(response.member("authed_user.deep.er"), Some("yes"));
        for other in ["count", "none", "list", "authed_user", "missing", "scope.x", ""] {
            assert_eq!(response.member(other), None, "{other}");
        }
        let empty = read(r#"{"access_token":"a","token_type":"Bearer","refresh_token":""}"#);
        assert_eq!(empty.unwrap().refresh_token(), None);
    }

    #[test]
    fn rule_48_leniency_is_an_option() {
        let any = Leniency { any_token_type: true, ..Leniency::default() };
        for body in [
            r#"{"access_token":"a"}"#,
            r#"{"access_token":"a","token_type":1}"#,
            r#"{"access_token":"a","token_type":"bot"}"#,
        ] {
            assert_eq!(read(body).unwrap_err(), MalformedToken::NotBearer);
            assert_eq!(leniently(&any, body).unwrap().access_token(), "a");
        }
        let millis = Leniency { lifetime_in_millis: true, ..Leniency::default() };
        let body = r#"{"access_token":"a","token_type":"Bearer","expires_in":"90500"}"#;
        let response = leniently(&millis, body).unwrap();
        assert_eq!(response.expires_in(), Some(Duration::from_millis(90_500)));
        let member = Leniency { token: "authed_user.token".into(), ..Leniency::default() };
        let body = r#"{"token_type":"Bearer","authed_user":{"token":"inner"},"access_token":"a"}"#;
        assert_eq!(leniently(&member, body).unwrap().access_token(), "inner");
        let missing = r#"{"token_type":"Bearer","access_token":"a"}"#;
        assert_eq!(leniently(&member, missing).unwrap_err(), MalformedToken::NoAccessToken);
        let dpop = Leniency { dpop: true, ..Leniency::default() };
        let body = r#"{"access_token":"a","token_type":"DPoP"}"#;
        assert!(leniently(&dpop, body).unwrap().is_dpop());
        assert!(leniently(&any, body).is_ok_and(|response| !response.is_dpop()));
    }

    #[test]
    fn the_token_type_is_compared_without_case_and_other_members_are_passed_over() {
        let body = r#"{"scope":"read:clients","access_token":"e.y-J_~+/=","token_type":"bEaReR","refresh_token":1}"#;
        assert_eq!(read(body).unwrap().access_token(), "e.y-J_~+/=");
    }

    #[test]
    fn rule_28_debug_shows_no_token() {
        let body = r#"{"access_token":"sesame","token_type":"Bearer","refresh_token":"sesame"}"#;
        let response = read(body).unwrap();
        assert!(!format!("{response:?}").contains("sesame"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _read = TokenResponse::from_slice(&body, SystemTime::UNIX_EPOCH);
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
