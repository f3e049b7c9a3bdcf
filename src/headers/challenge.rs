mod parts;

use http::{HeaderMap, HeaderValue, header::WWW_AUTHENTICATE};

use self::parts::{Part, Parts};

/// The number of `WWW-Authenticate` fields that are read. Real responses have one to four, and a header map may hold thousands.
const MAX_FIELDS: usize = 16;

/// The number of bytes that are read of each field. The schemes and the `error` code come first, and only descriptions and scopes
/// are long.
const MAX_FIELD_LEN: usize = 4096;

/// The schemes of bearer tokens. Auth0's own extensions respond with `Token error="Invalid token"`, though they read
/// `Authorization: Bearer`.
const BEARER_SCHEMES: [&[u8]; 2] = [b"bearer", b"token"];

/// The codes for which another token of the same kind would not help.
const DENIALS: [(&[u8], BearerChallenge); 6] = [
    (b"insufficient_scope", BearerChallenge::InsufficientScope),
    (b"invalid_request", BearerChallenge::InvalidRequest),
    (b"use_dpop_nonce", BearerChallenge::InvalidRequest),
    (b"insufficient_user_authentication", BearerChallenge::StepUp),
    (b"insufficient_claims", BearerChallenge::StepUp),
    (b"interaction_required", BearerChallenge::StepUp),
];

/// What a 401 says about the request's bearer token.
///
/// The status matters more than the challenge: a 401 means that the token was rejected, unless its `WWW-Authenticate` says that
/// another token of the same kind would not help. `invalid_token` is *not* required, because many servers send no challenge, and
/// Auth0's Management API sends prose instead of the codes of [RFC 6750 §3.1].
///
/// [RFC 6750 §3.1]: https://www.rfc-editor.org/rfc/rfc6750#section-3.1
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BearerChallenge {
    /// The token was rejected (expired, revoked, unknown, badly signed); a new one may be accepted.
    TokenRejected,
    /// `insufficient_scope`: the next token would lack the scope as well.
    InsufficientScope,
    /// `invalid_request`: the request is malformed, not the token. `use_dpop_nonce` ([RFC 9449 §9]): its proof has no nonce, or an
    /// old one.
    ///
    /// [RFC 9449 §9]: https://www.rfc-editor.org/rfc/rfc9449#section-9
    InvalidRequest,
    /// The user has to sign in again or with a stronger method: `insufficient_user_authentication` ([RFC 9470 §3]), and
    /// `insufficient_claims` and `interaction_required` of Microsoft Entra's claims challenge.
    ///
    /// [RFC 9470 §3]: https://www.rfc-editor.org/rfc/rfc9470#section-3
    StepUp,
    /// The challenges offer only schemes without bearer tokens (`Basic`, `Digest`, `Negotiate`, `DPoP`, ...).
    OtherScheme,
}

/// The result of the challenges read so far.
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
    /// The parser is lenient: parameters may be quoted, unquoted, or separated by spaces only, as in Azure Storage's; several
    /// challenges may be in one field or in several; malformed parts are skipped. The first 16 fields and the first 4,096 bytes of
    /// each are read.
    ///
    /// If several bearer challenges disagree, `invalid_token` wins, then the first other reason.
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
        // Parameters before any scheme count as a bearer's, because some servers omit the scheme.
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
                    if name.eq_ignore_ascii_case(b"error") {
                        self.bearer |= in_bearer;
                        self.error(value);
                    }
                }
            }
        }
    }

    /// A code counts under any scheme: frameworks announce their first one only.
    fn error(&mut self, code: &[u8]) {
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

/// The first parameter of that name in the challenges, of whatever scheme.
pub(crate) fn challenge_parameter(fields: &[HeaderValue], wanted: &str) -> Option<String> {
    let fields = fields.iter().take(MAX_FIELDS).map(HeaderValue::as_bytes);
    let mut parts = fields.flat_map(|field| Parts::new(&field[..field.len().min(MAX_FIELD_LEN)]));
    parts.find_map(|part| match part {
        Part::Parameter { name, value } if name.eq_ignore_ascii_case(wanted.as_bytes()) => {
            String::from_utf8(value.to_vec()).ok()
        }
        Part::Parameter { .. } | Part::Scheme(_) => None,
    })
}

#[cfg(test)]
mod tests;
