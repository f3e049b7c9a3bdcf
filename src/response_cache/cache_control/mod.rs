//! The directives of `Cache-Control`, with `Expires` and `Age`.

use std::time::{Duration, SystemTime};

use http::{
    HeaderMap,
    header::{AGE, CACHE_CONTROL, DATE, EXPIRES},
};

use self::list::{is_quoted, is_token, split_list};
use crate::headers::date::{http_date, unix_nanos};

mod list;
mod request;

pub(super) use request::{Accepts, RequestDirectives};

/// The number of `Cache-Control` fields that are read. Real messages have one or two; a header map may hold thousands.
const MAX_FIELDS: usize = 16;

/// The number of bytes of each field that are read.
const MAX_FIELD_LEN: usize = 4096;

/// The longest delta that is reported, 2^31 s. A longer one is treated as this
/// ([RFC 9111 section 1.2.2](https://www.rfc-editor.org/rfc/rfc9111#section-1.2.2)).
const MAX_DELTA: Duration = Duration::from_secs(1 << 31);

/// The directives that a private cache acts on, of a request or of a response
/// ([RFC 9111 section 5.2](https://www.rfc-editor.org/rfc/rfc9111#section-5.2)).
///
/// * Names are case-insensitive.
/// * A directive that is repeated or has an unreadable argument is treated as the strictest that it could be.
/// * `no-cache="field"` is treated as `no-cache`, which the RFC allows.
/// * A field that is not a list of directives (an unclosed quote, semicolons or spaces instead of commas), too many fields
///   and too long fields are treated as `no-store`.
/// * `s-maxage`, `public`, `private` and `proxy-revalidate` are for shared caches and are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CacheControl {
    /// The message must not be stored, nor used for another request.
    pub(super) no_store: bool,
    /// In a request: no stored response may answer it. In a response: it may not be reused without validation.
    pub(super) no_cache: bool,
    /// In a response: it must not be used once it is stale, not even while the server is down.
    pub(super) must_revalidate: bool,
    /// In a request: a stored response or 504.
    pub(super) only_if_cached: bool,
    /// In a request: the greatest acceptable age. In a response: the age from which it is stale.
    pub(super) max_age: Option<Duration>,
    /// In a request: how long the response must stay fresh at least.
    pub(super) min_fresh: Option<Duration>,
    /// How long a stale response may be used while the server fails
    /// ([RFC 5861 section 4](https://www.rfc-editor.org/rfc/rfc5861#section-4)).
    pub(super) stale_if_error: Option<Duration>,
    /// How long a stale response may be used while it is refreshed
    /// ([RFC 5861 section 3](https://www.rfc-editor.org/rfc/rfc5861#section-3)).
    pub(super) stale_while_revalidate: Option<Duration>,
}

// === impl CacheControl ===

impl CacheControl {
    /// Reads the `Cache-Control` fields of a message.
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        for (index, value) in headers.get_all(CACHE_CONTROL).iter().enumerate() {
            let field = value.as_bytes();
            if index == MAX_FIELDS || field.len() > MAX_FIELD_LEN {
                found.no_store = true;
                break;
            }
            for directive in split_list(field) {
                found.read(directive);
            }
        }
        found
    }

    /// The freshness lifetime that a response states: `max-age`, or else `Expires` less `Date`
    /// ([RFC 9111 section 4.2.1](https://www.rfc-editor.org/rfc/rfc9111#section-4.2.1)). `now` is the client's wall time and
    /// stands in for a missing `Date`. An `Expires` that is not a date is in the past.
    pub(super) fn lifetime(&self, headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
        if self.max_age.is_some() {
            return self.max_age;
        }
        let expires = headers.get(EXPIRES)?;
        let Some(expires) = http_date(expires.as_bytes(), now) else {
            return Some(Duration::ZERO);
        };
        let date = headers.get(DATE).and_then(|date| http_date(date.as_bytes(), now));
        let nanos = expires.saturating_sub(date.unwrap_or_else(|| unix_nanos(now)));
        let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(0);
        Some(Duration::from_secs(seconds).min(MAX_DELTA))
    }

    fn read(&mut self, directive: &[u8]) {
        let directive = directive.trim_ascii();
        if directive.is_empty() {
            return;
        }
        let (name, argument) = match directive.iter().position(|byte| *byte == b'=') {
            Some(at) => (directive[..at].trim_ascii(), Some(directive[at + 1..].trim_ascii())),
            None => (directive, None),
        };
        // A malformed directive may have been meant as `no-store`.
        let is_well_formed = argument.is_none_or(|text| is_token(text) || is_quoted(text));
        self.no_store |= !is_token(name) || !is_well_formed;
        let delta = argument.and_then(delta);
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("no-store") {
            self.no_store = true;
        } else if is("no-cache") {
            self.no_cache = true;
        } else if is("must-revalidate") {
            self.must_revalidate = true;
        } else if is("only-if-cached") {
            self.only_if_cached = true;
        } else if is("max-age") {
            shorten(&mut self.max_age, delta);
        } else if is("min-fresh") {
            // The strictest is the longest.
            self.min_fresh = self.min_fresh.max(Some(delta.unwrap_or(MAX_DELTA)));
        } else if is("stale-if-error") {
            shorten(&mut self.stale_if_error, delta);
        } else if is("stale-while-revalidate") {
            shorten(&mut self.stale_while_revalidate, delta);
        }
    }
}

/// The `Age` of a response; zero if it is missing or unreadable.
pub(super) fn age(headers: &HeaderMap) -> Duration {
    headers.get(AGE).and_then(|age| delta(age.as_bytes())).unwrap_or(Duration::ZERO)
}

fn shorten(span: &mut Option<Duration>, other: Option<Duration>) {
    let other = other.unwrap_or(Duration::ZERO);
    *span = Some(span.map_or(other, |span| span.min(other)));
}

/// `delta-seconds`, quoted or not.
fn delta(argument: &[u8]) -> Option<Duration> {
    let argument = argument.trim_ascii();
    let unquoted = argument.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let digits = unquoted.unwrap_or(argument);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = digits.iter().fold(0_u64, |seconds, digit| {
        seconds.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    });
    Some(Duration::from_secs(seconds).min(MAX_DELTA))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect()
    }

    fn read(field: &'static str) -> CacheControl {
        CacheControl::from_headers(&headers(&[("cache-control", field)]))
    }

    #[test]
    fn directives_are_found_wherever_they_stand() {
        let mut both = headers(&[("cache-control", "private")]);
        both.append("cache-control", HeaderValue::from_static(" , no-store"));
        assert!(CacheControl::from_headers(&both).no_store);
        assert!(read("NO-STORE").no_store);
        assert!(read("no-cache=\"set-cookie, x\", only-if-cached").no_cache);
        assert!(read("max-age=1,no-cache=\"a\\\", b\",only-if-cached").only_if_cached);
        assert!(!read("ext=\"no-store, x\"").no_store);
        assert!(!read("no-storeroom, x-no-store").no_store);
        assert_eq!(read(""), CacheControl::default());
    }

    #[test]
    fn an_unreadable_delta_is_the_strictest() {
        let seconds = |field| read(field).max_age.map(|age| age.as_secs());
        assert_eq!(seconds("max-age=60"), Some(60));
        assert_eq!(seconds("max-age=60, max-age=5"), Some(5));
        assert_eq!(seconds("max-age=99999999999999999999999"), Some(1 << 31));
        for wrong in ["max-age", "max-age=", "max-age=-1", "max-age=1.5", "max-age=\"1"] {
            assert_eq!(seconds(wrong), Some(0), "{wrong}");
        }
        assert_eq!(seconds("s-maxage=60"), None);
        let fresh = |field| read(field).min_fresh.map(|span| span.as_secs());
        assert_eq!(fresh("min-fresh=60, min-fresh=5"), Some(60));
        assert_eq!(fresh("min-fresh=soon"), Some(1 << 31));
    }

    #[test]
    fn too_many_or_too_long_fields_are_no_store() {
        let mut many = HeaderMap::new();
        for _ in 0..=MAX_FIELDS {
            many.append("cache-control", HeaderValue::from_static("private"));
        }
        assert!(CacheControl::from_headers(&many).no_store);
        let long = HeaderValue::from_str(&"x".repeat(MAX_FIELD_LEN + 1)).unwrap();
        let long = HeaderMap::from_iter([(CACHE_CONTROL, long)]);
        assert!(CacheControl::from_headers(&long).no_store);
    }

    /// An unclosed quote must not hide what follows it.
    #[test]
    fn a_field_that_is_not_a_list_of_directives_is_no_store() {
        for broken in [
            "max-age=60, x=\"a, no-store",
            "max-age=\"1, no-store",
            "x=\"a\\\", no-store",
            "x=a\"b, no-store, c\"d",
            "x=\"a\" \"b, no-store, c\"",
            "\"no-store\"",
            "private no-store",
            "no-store; max-age=60",
            "max-age=60 no-store",
            "max-age=",
            "=60",
            "max-age=60, \u{e4}",
        ] {
            let value = HeaderValue::from_bytes(broken.as_bytes()).unwrap();
            let headers = HeaderMap::from_iter([(CACHE_CONTROL, value)]);
            assert!(CacheControl::from_headers(&headers).no_store, "{broken}");
        }
        for well_formed in [
            "",
            " ,, private ,",
            "max-age = 60",
            "x=\"\"",
            "x=\"a\\\"b, no-store\", private",
            "x='a'",
        ] {
            assert!(!read(well_formed).no_store, "{well_formed}");
        }
    }

    #[test]
    fn expires_counts_from_the_date_if_there_is_no_max_age() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let life = |fields: &[(&'static str, &'static str)]| {
            let headers = headers(fields);
            CacheControl::from_headers(&headers).lifetime(&headers, now).map(|life| life.as_secs())
        };
        let expires = ("expires", "Sun, 06 Nov 1994 08:50:37 GMT");
        assert_eq!(life(&[expires]), Some(60));
        assert_eq!(life(&[expires, ("date", "Sun, 06 Nov 1994 08:50:07 GMT")]), Some(30));
        assert_eq!(life(&[expires, ("date", "Sun, 06 Nov 1994 08:51:07 GMT")]), Some(0));
        assert_eq!(life(&[expires, ("cache-control", "max-age=7")]), Some(7));
        assert_eq!(life(&[("expires", "0")]), Some(0));
        assert_eq!(life(&[]), None);
    }

    #[test]
    fn the_age_is_a_number_of_seconds_or_zero() {
        assert_eq!(age(&headers(&[("age", "12")])), Duration::from_secs(12));
        assert_eq!(age(&headers(&[("age", "soon")])), Duration::ZERO);
        assert_eq!(age(&headers(&[])), Duration::ZERO);
    }
}
