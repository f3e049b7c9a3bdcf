//! A token as the bytes of a record, before they are sealed.

use std::time::Duration;

use zeroize::Zeroizing;

use crate::token_cache::token::{Lifetime, Token};

const LASTS: u8 = 0;
const ENDLESS: u8 = 1;

/// Kind and milliseconds of the lifetime, where the token begins, and the length of the field's name.
const HEAD_LEN: usize = 1 + 8 + 2 + 1;

/// The longest record that is opened: no issuer's response is longer.
pub(super) const MAX_LEN: usize = 64 * 1024;

/// How long a token without an expiry is in the store: as long as the longest lifetime that a cache takes.
const ENDLESS_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The lifetime of a token for which the issuer named none: the layer's default.
const UNKNOWN_FOR: Duration = Duration::from_secs(5 * 60);

/// The bytes of a token, and how long they may be stored. None for a token that is this process' alone, or too long.
pub(super) fn encode(token: &Token) -> Option<(Zeroizing<Vec<u8>>, Duration)> {
    let (kind, lifetime) = match token.lifetime() {
        Lifetime::Lasts(lifetime) => (LASTS, lifetime.min(ENDLESS_FOR)),
        Lifetime::Unknown => (LASTS, UNKNOWN_FOR),
        Lifetime::Endless => (ENDLESS, ENDLESS_FOR),
        Lifetime::Fixed => return None,
    };
    let (name, value, begins) = token.parts();
    let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
    let (name_len, begins) = (u8::try_from(name.len()).ok()?, u16::try_from(begins).ok()?);
    let len = HEAD_LEN + name.len() + value.len();
    if len > MAX_LEN - 64 {
        return None;
    }
    // The capacity is exact: a buffer that grows leaves its old bytes behind unwiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(len));
    bytes.push(kind);
    let millis = u64::try_from(lifetime.as_millis()).ok()?;
    bytes.extend_from_slice(&millis.to_be_bytes());
    bytes.extend_from_slice(&begins.to_be_bytes());
    bytes.push(name_len);
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(value);
    Some((bytes, lifetime))
}

/// The token of these bytes, which the store says will live for `left`. It lives no longer than its issuer said.
pub(super) fn decode(bytes: &[u8], left: Duration) -> Option<Token> {
    let (&kind, rest) = bytes.split_first()?;
    let (millis, rest) = rest.split_first_chunk()?;
    let (begins, rest) = rest.split_first_chunk()?;
    let (&name_len, rest) = rest.split_first()?;
    let (name, value) = rest.split_at_checked(name_len.into())?;
    let token = Token::of_parts(name, value, u16::from_be_bytes(*begins).into())?;
    let lifetime = Duration::from_millis(u64::from_be_bytes(*millis));
    match kind {
        LASTS => Some(token.expires_in(left.min(lifetime))),
        ENDLESS => Some(token.without_expiry()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn there_and_back(token: &Token, left: Duration) -> Token {
        let (bytes, _) = encode(token).unwrap();
        assert_eq!(bytes.len(), bytes.capacity());
        decode(&bytes, left).unwrap()
    }

    #[test]
    fn a_token_is_read_as_it_was_written_with_what_is_left_of_its_life() {
        let token = Token::bearer("sesame").unwrap().expires_in(HOUR);
        let read = there_and_back(&token, HOUR / 2);
        assert_eq!((&read, read.lifetime()), (&token, Lifetime::Lasts(HOUR / 2)));
        let read = there_and_back(&token, 2 * HOUR);
        assert_eq!(read.lifetime(), Lifetime::Lasts(HOUR), "no longer than the issuer said");
        let named = Token::bearer("x").unwrap().in_header(HeaderName::from_static("x-auth-token"));
        assert_eq!(there_and_back(&named, HOUR), named);
        let scheme = Token::bearer("x").unwrap().with_scheme("SSWS").unwrap();
        assert_eq!(there_and_back(&scheme, HOUR).bare(), b"x");
    }

    #[test]
    fn a_token_that_never_expires_is_one_for_all_and_a_fixed_one_is_not_shared() {
        let token = Token::bearer("sesame").unwrap();
        let endless = there_and_back(&token.clone().without_expiry(), HOUR);
        assert_eq!(endless.lifetime(), Lifetime::Endless);
        assert_eq!(there_and_back(&token, HOUR).lifetime(), Lifetime::Lasts(UNKNOWN_FOR));
        assert!(encode(&token.fixed()).is_none());
        let long = Token::bearer("x".repeat(MAX_LEN)).unwrap();
        assert!(encode(&long).is_none());
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_are_they_are_a_token_that_can_be_sent_or_none(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            left in any::<u32>(),
        ) {
            if let Some(token) = decode(&bytes, Duration::from_millis(left.into())) {
                prop_assert!(token.header_value().is_sensitive());
                prop_assert!(!token.bare().is_empty());
            }
        }
    }
}
