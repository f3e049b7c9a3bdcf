//! A token, ready to be attached.

use std::{error::Error, fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header::AUTHORIZATION};
use zeroize::Zeroize;

use super::TokenError;
use crate::error::TokenErrorKind;

/// A token, as a source gives it.
///
/// It is held as the finished, sensitive header value, which all requests share. Its bytes are wiped when the
/// last copy is dropped. `Debug` shows none of it. Two tokens are equal if they are sent alike.
///
/// ```
/// use std::time::Duration;
/// use tower_heed::token_cache::Token;
///
/// let token = Token::bearer("eyJhbGciOi")?.expires_in(Duration::from_secs(3600));
/// assert!(!format!("{token:?}").contains("eyJ"));
/// # Ok::<(), tower_heed::error::TokenError>(())
/// ```
///
/// For APIs that want another scheme than `Bearer`, or another header field:
///
/// ```
/// # use http::HeaderName;
/// # use tower_heed::token_cache::{StaticToken, Token};
/// // Okta's API tokens, Discord's bots, GitHub's older scheme: `Authorization: SSWS …`.
/// let token = Token::bearer("00aBcDeF")?.with_scheme("SSWS")?;
/// assert_eq!(token.header_value(), "SSWS 00aBcDeF");
/// let source = StaticToken::from(token);
///
/// // OpenStack, GitLab (`private-token`), and many others: the token alone in a field of its own.
/// let token = Token::bearer("gAAAAAB")?.in_header(HeaderName::from_static("x-auth-token"));
/// assert_eq!(token.header_value(), "gAAAAAB");
/// # drop(source);
/// # Ok::<(), tower_heed::error::TokenError>(())
/// ```
///
/// A token of another source is changed on its way: `source.map_response(|token: Token| token.in_header(...))`, with
/// [`tower::ServiceExt::map_response`].
#[derive(Clone)]
pub struct Token {
    name: HeaderName,
    header: HeaderValue,
    /// Where the token begins within the value, after its scheme.
    begins: usize,
    lifetime: Lifetime,
    /// Whether it was taken from a store.
    is_shared: bool,
}

/// How long a token is valid, from its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifetime {
    /// The issuer did not name one: the layer's default.
    Unknown,
    Lasts(Duration),
    /// Until a server rejects it.
    Endless,
    /// Until the process ends: there is no other token.
    Fixed,
}

#[derive(Debug)]
struct UnsendableToken;

#[derive(Debug)]
struct UnsendableScheme;

// === impl Token ===

impl Token {
    /// A token to be sent as `Authorization: Bearer …`, of unknown lifetime: the layer assumes its
    /// [`default_lifetime`](super::TokenCacheLayer::default_lifetime).
    ///
    /// # Errors
    ///
    /// [`TokenErrorKind::Malformed`] if it is empty or holds anything but visible ASCII characters, a line break for
    /// example. The error does not show it.
    pub fn bearer(access_token: impl AsRef<[u8]>) -> Result<Self, TokenError> {
        Self::prepare(access_token.as_ref())
            .ok_or_else(|| TokenError::new(TokenErrorKind::Malformed).with_source(UnsendableToken))
    }

    /// Sets how long the token is valid, from its request. Less than a second is malformed, and more than the layer's
    /// [`max_lifetime`](super::TokenCacheLayer::max_lifetime) is cut to it.
    #[must_use]
    pub fn expires_in(self, lifetime: Duration) -> Self {
        Self { lifetime: Lifetime::Lasts(lifetime), ..self }
    }

    /// The token does not expire, as a Clerk M2M token whose `expiration` is `null`: it is never refreshed, and replaced only
    /// when a server rejects it.
    #[must_use]
    pub fn without_expiry(self) -> Self {
        Self { lifetime: Lifetime::Endless, ..self }
    }

    /// Sends it as `Authorization: {scheme} …`, or with this scheme in the field that [`in_header`](Self::in_header) names.
    ///
    /// # Errors
    ///
    /// [`TokenErrorKind::Malformed`] if the scheme is not one word of visible ASCII characters.
    pub fn with_scheme(self, scheme: &str) -> Result<Self, TokenError> {
        let is_word = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_graphic());
        let header = sensitive(&[scheme.as_bytes(), b" ", self.bare()]).filter(|_| is_word);
        let unsendable =
            || TokenError::new(TokenErrorKind::Malformed).with_source(UnsendableScheme);
        Ok(Self { header: header.ok_or_else(unsendable)?, begins: scheme.len() + 1, ..self })
    }

    /// Sends it in this header field, without a scheme. A request that has the field already passes unchanged.
    ///
    /// The layer knows the field from the source's first token on, and of a [`StaticToken`](super::StaticToken) from the beginning.
    /// Until then a request with an `Authorization` of its own passes without the token:
    /// [`warm_up`](super::TokenCacheHandle::warm_up) gets the first one before.
    #[must_use]
    pub fn in_header(self, name: HeaderName) -> Self {
        match sensitive(&[self.bare()]) {
            Some(header) => Self { name, header, begins: 0, ..self },
            // A part of a header value is one as well.
            None => Self { name, ..self },
        }
    }

    /// The name of the header field that it is sent in: `Authorization`, unless [set](Self::in_header).
    #[must_use]
    pub const fn header_name(&self) -> &HeaderName {
        &self.name
    }

    /// The value of that header field, marked sensitive.
    #[must_use]
    pub fn header_value(&self) -> &HeaderValue {
        &self.header
    }

    pub(super) fn prepare(access_token: &[u8]) -> Option<Self> {
        if access_token.is_empty() || !access_token.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let header = sensitive(&[b"Bearer ", access_token])?;
        let (name, begins) = (AUTHORIZATION, b"Bearer ".len());
        Some(Self { name, header, begins, lifetime: Lifetime::Unknown, is_shared: false })
    }

    pub(super) const fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// What it is sent as, and where the token begins within the value.
    #[cfg(feature = "shared")]
    pub(super) fn parts(&self) -> (&HeaderName, &HeaderValue, usize) {
        (&self.name, &self.header, self.begins)
    }

    /// A token of these [parts](Self::parts) from a store, of unknown lifetime; none if it cannot be sent.
    #[cfg(feature = "shared")]
    pub(super) fn of_parts(name: &[u8], value: &[u8], begins: usize) -> Option<Self> {
        let name = HeaderName::from_bytes(name).ok()?;
        if value.get(begins..).is_none_or(<[u8]>::is_empty) {
            return None;
        }
        let header = sensitive(&[value])?;
        Some(Self { name, header, begins, lifetime: Lifetime::Unknown, is_shared: true })
    }

    /// Whether it is of use only with a proof of the key that it is bound to (RFC 9449).
    #[cfg(feature = "shared")]
    pub(super) fn is_bound(&self) -> bool {
        let scheme = self.header.as_bytes().get(..self.begins);
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"DPoP "))
    }

    /// The token without its scheme.
    pub(crate) fn bare(&self) -> &[u8] {
        self.header.as_bytes().get(self.begins..).unwrap_or_default()
    }

    pub(super) fn with_lifetime(self, lifetime: Lifetime) -> Self {
        Self { lifetime, ..self }
    }

    pub(super) fn fixed(self) -> Self {
        Self { lifetime: Lifetime::Fixed, ..self }
    }

    pub(super) fn lifetime(&self) -> Lifetime {
        self.lifetime
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.header == other.header
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("header", &self.name)
            .field("token", &"[censored]")
            .field("lifetime", &self.lifetime)
            .finish()
    }
}

// === impl UnsendableToken ===

impl fmt::Display for UnsendableToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the token is empty or holds a character that cannot be sent")
    }
}

impl Error for UnsendableToken {}

// === impl UnsendableScheme ===

impl fmt::Display for UnsendableScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the token's scheme is not one word of visible ASCII characters")
    }
}

impl Error for UnsendableScheme {}

/// Bytes that are overwritten when they are dropped.
struct Wiped(Vec<u8>);

// === impl Wiped ===

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
        #[cfg(test)]
        tests::record_drop(&self.0);
    }
}

/// One sensitive header value of several parts, in its own buffer that is wiped when the last copy is dropped.
pub(crate) fn sensitive(parts: &[&[u8]]) -> Option<HeaderValue> {
    // The capacity is exact: a buffer that grows leaves its old bytes behind unwiped.
    let mut buffer = Wiped(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        buffer.0.extend_from_slice(part);
    }
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(buffer)).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        /// The buffers that this thread has dropped, as they were then.
        static DROPPED: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn record_drop(bytes: &[u8]) {
        DROPPED.with_borrow_mut(|dropped| dropped.push(bytes.to_vec()));
    }

    fn dropped_buffers() -> Vec<Vec<u8>> {
        DROPPED.with_borrow(Clone::clone)
    }

    #[test]
    fn rule_28_the_bytes_are_wiped_when_the_last_copy_goes_and_not_before() {
        let token = Token::bearer("sesame").unwrap();
        let clone = token.clone();
        let attached = token.header_value().clone();
        drop((token, clone));
        assert_eq!(attached, "Bearer sesame");
        assert!(dropped_buffers().is_empty(), "a request still carries it");
        drop(attached);
        assert_eq!(dropped_buffers(), [vec![0; "Bearer sesame".len()]]);
    }

    #[test]
    fn rule_28_a_value_that_cannot_be_sent_is_wiped_as_well() {
        assert!(sensitive(&[b"Bearer ", b"sesame\n"]).is_none());
        assert_eq!(dropped_buffers(), [vec![0; "Bearer sesame\n".len()]]);
    }

    #[test]
    fn rule_28_the_value_is_sensitive_and_shared() {
        let token = Token::bearer("sesame").unwrap();
        assert_eq!(token.header_value(), "Bearer sesame");
        let clone = token.header_value().clone();
        assert!(token.header_value().is_sensitive() && clone.is_sensitive());
        assert_eq!(clone.as_bytes().as_ptr(), token.header_value().as_bytes().as_ptr());
    }

    #[test]
    fn rule_15_what_cannot_be_sent_is_malformed() {
        assert!(Token::bearer("a").unwrap().with_scheme("").is_err());
        assert!(Token::bearer("a").unwrap().with_scheme("B c").is_err());
        assert!(Token::bearer("a").unwrap().with_scheme("B\n").is_err());
        for token in ["", "a\nb", "a\r\nX-Evil: 1", "a b", "\u{7f}", "é", "a\0"] {
            let error = Token::bearer(token).unwrap_err();
            assert_eq!(error.kind(), TokenErrorKind::Malformed, "{token:?}");
        }
    }
}
