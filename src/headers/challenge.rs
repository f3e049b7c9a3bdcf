//! The `WWW-Authenticate` header of a 401, read for one question.

mod parts;

use http::{HeaderMap, header::WWW_AUTHENTICATE};

use self::parts::{Part, Parts};

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
    /// use tower_heed::headers::BearerChallenge;
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

#[cfg(test)]
mod tests;
