//! The `WWW-Authenticate` header of a 401, read for one question.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// At most this many `WWW-Authenticate` fields are read: a real answer has one to four, and a header map may hold
/// thousands.
const MAX_FIELDS: usize = 16;

/// At most this many bytes of each field are read: the schemes and the `error` code come first, only the description and
/// the scope list are long.
const MAX_FIELD_LEN: usize = 4096;

/// The schemes that a bearer token is sent under, or asked for by servers that read one. `Token` is what Auth0's own
/// extensions answer with (`Token error="Invalid token"`), though they read `Authorization: Bearer`.
const BEARER_SCHEMES: [&[u8]; 2] = [b"bearer", b"token"];

/// The codes that say that another token of the same kind would not help.
const DENIALS: [(&[u8], BearerChallenge); 5] = [
    (b"insufficient_scope", BearerChallenge::InsufficientScope),
    (b"invalid_request", BearerChallenge::InvalidRequest),
    (b"insufficient_user_authentication", BearerChallenge::StepUp),
    (b"insufficient_claims", BearerChallenge::StepUp),
    (b"interaction_required", BearerChallenge::StepUp),
];

/// What a 401 says about the bearer token that the request carried.
///
/// The status comes first and the challenge second: a 401 means that the token was rejected, unless its
/// `WWW-Authenticate` says that another token of the same kind would not help. Many servers send no challenge at all, and
/// Auth0's Management API puts prose where [RFC 6750 §3.1] has codes, so `invalid_token` is *not* asked for.
///
/// [RFC 6750 §3.1]: https://www.rfc-editor.org/rfc/rfc6750#section-3.1
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BearerChallenge {
    /// This token was not accepted (expired, revoked, unknown, badly signed); a new one may be.
    TokenRejected,
    /// `insufficient_scope`: the grant lacks the scope, and so would the next token.
    InsufficientScope,
    /// `invalid_request`: the request is wrong, not the token.
    InvalidRequest,
    /// The user has to sign in again, or more strongly: `insufficient_user_authentication` ([RFC 9470 §3]) and the
    /// `insufficient_claims` and `interaction_required` of Microsoft Entra's claims challenge.
    ///
    /// [RFC 9470 §3]: https://www.rfc-editor.org/rfc/rfc9470#section-3
    StepUp,
    /// Only schemes that take no bearer token are offered (`Basic`, `Digest`, `Negotiate`, `DPoP`, ...).
    OtherScheme,
}

/// What the challenges read so far amount to.
#[derive(Default)]
struct Seen {
    bearer: bool,
    other_scheme: bool,
    invalid_token: bool,
    denial: Option<BearerChallenge>,
}

/// One piece of a `WWW-Authenticate` field.
enum Part<'a> {
    Scheme(&'a [u8]),
    Parameter { name: &'a [u8], value: &'a [u8] },
}

/// The pieces of one field in their order.
///
/// The grammar of RFC 9110 §11.6.1 cannot be told apart without a rule of thumb: a word that is followed by `=` names a
/// parameter; any other word is a scheme if it opens the field or follows a comma, else it is passed over as a `token68` or
/// as the rest of a value that should have been quoted.
struct Parts<'a> {
    rest: &'a [u8],
    scheme_may_follow: bool,
}

// === impl BearerChallenge ===

impl BearerChallenge {
    /// Reads the `WWW-Authenticate` fields of a 401.
    ///
    /// Lenient: parameters may be quoted, unquoted, or set apart by spaces alone, as Azure Storage sends them; several
    /// challenges may stand in one field or in several; what cannot be read is passed over. The first 16 fields and the first
    /// 4,096 bytes of each are read.
    ///
    /// Where several bearer challenges disagree, `invalid_token` wins, then the first that names another reason.
    ///
    /// ```
    /// use http::HeaderMap;
    /// use tower_heed::wire::BearerChallenge;
    ///
    /// let mut headers = HeaderMap::new();
    /// assert_eq!(BearerChallenge::from_headers(&headers), BearerChallenge::TokenRejected);
    ///
    /// headers.insert("www-authenticate", "Bearer error=\"insufficient_scope\"".parse()?);
    /// assert_eq!(BearerChallenge::from_headers(&headers), BearerChallenge::InsufficientScope);
    /// # Ok::<(), http::header::InvalidHeaderValue>(())
    /// ```
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let mut seen = Seen::default();
        for field in headers.get_all(WWW_AUTHENTICATE).iter().take(MAX_FIELDS) {
            let field = field.as_bytes();
            seen.field(&field[..field.len().min(MAX_FIELD_LEN)]);
        }
        seen.verdict()
    }
}

// === impl Seen ===

impl Seen {
    fn field(&mut self, field: &[u8]) {
        // Parameters that stand before any scheme are read as a bearer's: some servers leave the scheme out.
        let mut in_bearer = true;
        for part in Parts::new(field) {
            match part {
                Part::Scheme(scheme) => {
                    in_bearer =
                        BEARER_SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known));
                    self.bearer |= in_bearer;
                    self.other_scheme |= !in_bearer;
                }
                Part::Parameter { name, value } => {
                    if in_bearer && name.eq_ignore_ascii_case(b"error") {
                        self.error(value);
                    }
                }
            }
        }
    }

    fn error(&mut self, code: &[u8]) {
        self.bearer = true;
        self.invalid_token |= code.eq_ignore_ascii_case(b"invalid_token");
        let denial = DENIALS.iter().find(|(known, _)| code.eq_ignore_ascii_case(known));
        if let Some((_, denial)) = denial {
            self.denial.get_or_insert(*denial);
        }
    }

    fn verdict(self) -> BearerChallenge {
        match self.denial {
            _ if self.invalid_token => BearerChallenge::TokenRejected,
            Some(denial) => denial,
            None if self.other_scheme && !self.bearer => BearerChallenge::OtherScheme,
            None => BearerChallenge::TokenRejected,
        }
    }
}

// === impl Parts ===

impl<'a> Parts<'a> {
    fn new(field: &'a [u8]) -> Self {
        Self { rest: field, scheme_may_follow: true }
    }

    fn skip_separators(&mut self) {
        while let [first, rest @ ..] = self.rest {
            match first {
                b',' => self.scheme_may_follow = true,
                b' ' | b'\t' | b'=' | b'"' => {}
                _ => return,
            }
            self.rest = rest;
        }
    }

    fn word(&mut self) -> &'a [u8] {
        self.take_until(|byte| matches!(byte, b' ' | b'\t' | b',' | b'=' | b'"'))
    }

    fn take_until(&mut self, stop: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&byte| stop(byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// The value after a name, if a `=` follows it. Spaces around the `=` are bad but seen (RFC 9110 §5.6.3).
    fn value(&mut self) -> Option<&'a [u8]> {
        let after_equals = self.rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
        if let Some(quoted) = after_equals.strip_prefix(b"\"") {
            let end = end_of_quoted(quoted);
            self.rest = quoted.get(end + 1..).unwrap_or_default();
            Some(&quoted[..end])
        } else {
            self.rest = after_equals;
            Some(self.take_until(|byte| matches!(byte, b' ' | b'\t' | b',')))
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        loop {
            self.skip_separators();
            if self.rest.is_empty() {
                return None;
            }
            let scheme_may_follow = std::mem::take(&mut self.scheme_may_follow);
            let word = self.word();
            if let Some(value) = self.value() {
                return Some(Part::Parameter { name: word, value });
            }
            if scheme_may_follow {
                return Some(Part::Scheme(word));
            }
        }
    }
}

/// Where a quoted string ends: at its closing quote, or with the field where that is missing.
fn end_of_quoted(quoted: &[u8]) -> usize {
    let mut escaped = false;
    for (at, &byte) in quoted.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at,
            _ => {}
        }
    }
    quoted.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn read(fields: &[&str]) -> BearerChallenge {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(WWW_AUTHENTICATE, field.parse().unwrap());
        }
        BearerChallenge::from_headers(&headers)
    }

    #[test]
    fn a_401_means_that_the_token_was_rejected_unless_the_challenge_says_otherwise() {
        use BearerChallenge::{
            InsufficientScope, InvalidRequest, OtherScheme, StepUp, TokenRejected,
        };
        let cases: &[(&[&str], BearerChallenge)] = &[
            (&[], TokenRejected),
            (&[""], TokenRejected),
            (&["Bearer"], TokenRejected),
            (&["Bearer realm=\"api\""], TokenRejected),
            (
                &["Bearer error=\"invalid_token\", error_description=\"The token expired\""],
                TokenRejected,
            ),
            // hapi's shape, as Auth0's Management API answers.
            (
                &["Bearer error=\"Expired token received for JSON Web Token validation\""],
                TokenRejected,
            ),
            (&["Token error=\"Invalid token\""], TokenRejected),
            // Azure Storage: neither quotes nor commas.
            (
                &[
                    "Bearer authorization_uri=https://login.example/t/oauth2 resource_id=https://storage.example",
                ],
                TokenRejected,
            ),
            (&["Bearer realm=a error=insufficient_scope scope=\"a b\""], InsufficientScope),
            (&["bearer ERROR = \"Insufficient_Scope\""], InsufficientScope),
            (&["error=\"insufficient_scope\""], InsufficientScope),
            (&["Bearer error=invalid_request"], InvalidRequest),
            (
                &[
                    "Bearer error=\"insufficient_user_authentication\", acr_values=\"gold\", max_age=\"5\"",
                ],
                StepUp,
            ),
            (
                &[
                    "Bearer realm=\"\", authorization_uri=\"x\", error=\"insufficient_claims\", claims=\"eyJ9\"",
                ],
                StepUp,
            ),
            (&["Basic realm=\"x\""], OtherScheme),
            (&["Negotiate YII123==, NTLM"], OtherScheme),
            (&["DPoP error=\"use_dpop_nonce\""], OtherScheme),
            (&["DPoP error=\"insufficient_scope\""], OtherScheme),
            (&["Basic realm=\"x\"", "Bearer realm=\"y\""], TokenRejected),
            (&["Basic realm=\"Bearer, error=insufficient_scope\""], OtherScheme),
            (&["Basic realm=\"x\\\", Bearer error=\\\"insufficient_scope\""], OtherScheme),
            (
                &["Basic realm=\"x\", Bearer error=\"insufficient_scope\", Digest nonce=\"error\""],
                InsufficientScope,
            ),
            (
                &["Bearer error=\"insufficient_scope\"", "Bearer error=\"invalid_token\""],
                TokenRejected,
            ),
            // A description that should have been quoted does not open a new scheme.
            (&["Bearer error_description=The token expired error=invalid_token"], TokenRejected),
            (&["Bearer error=\"insufficient_scope"], InsufficientScope),
        ];
        for (fields, expected) in cases {
            assert_eq!(read(fields), *expected, "{fields:?}");
        }
    }

    #[test]
    fn a_field_longer_than_the_bound_is_read_up_to_it() {
        let long =
            format!("Bearer realm=\"{}\", error=\"insufficient_scope\"", "x".repeat(MAX_FIELD_LEN));
        assert_eq!(read(&[&long]), BearerChallenge::TokenRejected);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_number_of_fields_are_read_without_a_panic(
            fields in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
        ) {
            let mut headers = HeaderMap::new();
            for field in fields {
                if let Ok(field) = HeaderValue::from_bytes(&field) {
                    headers.append(WWW_AUTHENTICATE, field);
                }
            }
            let _read = BearerChallenge::from_headers(&headers);
        }

        #[test]
        fn words_quotes_and_separators_in_any_order_are_read_without_a_panic(
            field in "([Bb]earer|Token|error|=|\"|,| |\\\\|insufficient_scope){0,40}",
        ) {
            let _read = read(&[&field]);
        }
    }
}
