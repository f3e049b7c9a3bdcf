//! What a message says about caching: `Cache-Control`, `Expires` and `Age`.

use std::time::{Duration, SystemTime};

use http::{
    HeaderMap,
    header::{AGE, CACHE_CONTROL, DATE, EXPIRES},
};

use self::list::{is_quoted, is_token, split_list};
use crate::headers::date::{http_date, unix_nanos};

mod list;

/// At most this many `Cache-Control` fields are read: real messages have one or two, and a header map may hold thousands.
const MAX_FIELDS: usize = 16;

/// At most this many bytes of each field are read.
const MAX_FIELD_LEN: usize = 4096;

/// The longest delta that is reported, 2^31 s:
/// [RFC 9111 section 1.2.2](https://www.rfc-editor.org/rfc/rfc9111#section-1.2.2) has a receiver take a greater one for it.
const MAX_DELTA: Duration = Duration::from_secs(1 << 31);

/// The directives of `Cache-Control` that a private cache can act on, of a request or of a response
/// ([RFC 9111 section 5.2](https://www.rfc-editor.org/rfc/rfc9111#section-5.2)).
///
/// Names are compared without case. A directive whose argument cannot be read, or that is there twice, counts as the
/// strictest that it could be. `no-cache="field"` counts as `no-cache`, which the RFC allows. A field that is no list of
/// directives (a quote that is not closed, semicolons or spaces in the place of commas) counts as `no-store`, and so do
/// more fields, or longer ones, than anybody means to send: what is in them is not known. `s-maxage`, `public`, `private`
/// and `proxy-revalidate` are for caches that several users share, and so is what the RFC says about `Authorization`.
///
/// ```
/// use std::time::Duration;
/// use http::HeaderMap;
/// use tower_heed::response_cache::CacheControl;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("cache-control", "private, Max-Age=\"60\", must-revalidate".parse().unwrap());
/// let said = CacheControl::from_headers(&headers);
/// assert_eq!(said.max_age(), Some(Duration::from_secs(60)));
/// assert!(said.must_revalidate() && !said.no_store());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheControl {
    no_store: bool,
    no_cache: bool,
    must_revalidate: bool,
    only_if_cached: bool,
    max_age: Option<Duration>,
    min_fresh: Option<Duration>,
    stale_if_error: Option<Duration>,
}

// === impl CacheControl ===

impl CacheControl {
    /// Reads the `Cache-Control` fields of a message.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
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

    /// The message is not to be kept, nor used for anybody else.
    #[must_use]
    pub const fn no_store(&self) -> bool {
        self.no_store
    }

    /// In a request: nothing that was kept is to answer it. In a response: nothing may be answered with it before the server
    /// was asked again.
    #[must_use]
    pub const fn no_cache(&self) -> bool {
        self.no_cache
    }

    /// In a response: it is not to be used once it is stale, not even while the server cannot be reached.
    #[must_use]
    pub const fn must_revalidate(&self) -> bool {
        self.must_revalidate
    }

    /// In a request: it is to be answered with what was kept, or with 504.
    #[must_use]
    pub const fn only_if_cached(&self) -> bool {
        self.only_if_cached
    }

    /// In a request: the greatest age that is accepted. In a response: the age from which it is stale.
    #[must_use]
    pub const fn max_age(&self) -> Option<Duration> {
        self.max_age
    }

    /// In a request: for how long the response is to stay fresh at least.
    #[must_use]
    pub const fn min_fresh(&self) -> Option<Duration> {
        self.min_fresh
    }

    /// For how long a stale response may be used while the server fails
    /// ([RFC 5861 section 4](https://www.rfc-editor.org/rfc/rfc5861#section-4)).
    #[must_use]
    pub const fn stale_if_error(&self) -> Option<Duration> {
        self.stale_if_error
    }

    /// The age from which a response with these headers is stale, if they say one: `max-age`, or else `Expires` less `Date`
    /// ([RFC 9111 section 4.2.1](https://www.rfc-editor.org/rfc/rfc9111#section-4.2.1)). `now` is the client's wall time, in the
    /// place of a `Date` that is missing. An `Expires` that is no date is in the past.
    #[must_use]
    pub fn lifetime(&self, headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
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
        let is_whole = argument.is_none_or(|text| is_token(text) || is_quoted(text));
        // What it was to say is not known: it might be this.
        self.no_store |= !is_token(name) || !is_whole;
        let span = || argument.and_then(delta).unwrap_or(Duration::ZERO);
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
            shorten(&mut self.max_age, span());
        } else if is("min-fresh") {
            // The strictest is the longest.
            self.min_fresh =
                self.min_fresh.max(Some(argument.and_then(delta).unwrap_or(MAX_DELTA)));
        } else if is("stale-if-error") {
            shorten(&mut self.stale_if_error, span());
        }
    }
}

/// How old a response was when it came, by its `Age` field; zero if that is missing or cannot be read.
#[must_use]
pub fn age(headers: &HeaderMap) -> Duration {
    headers.get(AGE).and_then(|age| delta(age.as_bytes())).unwrap_or(Duration::ZERO)
}

fn shorten(span: &mut Option<Duration>, other: Duration) {
    *span = Some(span.map_or(other, |span| span.min(other)));
}

/// `delta-seconds`, in quotes or without.
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

    fn said(field: &'static str) -> CacheControl {
        CacheControl::from_headers(&headers(&[("cache-control", field)]))
    }

    #[test]
    fn directives_are_found_wherever_they_stand() {
        let mut both = headers(&[("cache-control", "private")]);
        both.append("cache-control", HeaderValue::from_static(" , no-store"));
        assert!(CacheControl::from_headers(&both).no_store());
        assert!(said("NO-STORE").no_store());
        assert!(said("no-cache=\"set-cookie, x\", only-if-cached").no_cache());
        assert!(said("max-age=1,no-cache=\"a\\\", b\",only-if-cached").only_if_cached());
        assert!(!said("ext=\"no-store, x\"").no_store());
        assert!(!said("no-storeroom, x-no-store").no_store());
        assert_eq!(said(""), CacheControl::default());
    }

    #[test]
    fn an_age_that_cannot_be_read_is_none_at_all() {
        let seconds = |field| said(field).max_age().map(|age| age.as_secs());
        assert_eq!(seconds("max-age=60"), Some(60));
        assert_eq!(seconds("max-age=60, max-age=5"), Some(5));
        assert_eq!(seconds("max-age=99999999999999999999999"), Some(1 << 31));
        for wrong in ["max-age", "max-age=", "max-age=-1", "max-age=1.5", "max-age=\"1"] {
            assert_eq!(seconds(wrong), Some(0), "{wrong}");
        }
        assert_eq!(seconds("s-maxage=60"), None);
        let fresh = |field| said(field).min_fresh().map(|span| span.as_secs());
        assert_eq!(fresh("min-fresh=60, min-fresh=5"), Some(60));
        assert_eq!(fresh("min-fresh=soon"), Some(1 << 31));
    }

    #[test]
    fn what_is_too_long_to_be_read_is_not_stored() {
        let mut many = HeaderMap::new();
        for _ in 0..=MAX_FIELDS {
            many.append("cache-control", HeaderValue::from_static("private"));
        }
        assert!(CacheControl::from_headers(&many).no_store());
        let long = HeaderValue::from_str(&"x".repeat(MAX_FIELD_LEN + 1)).unwrap();
        let long = HeaderMap::from_iter([(CACHE_CONTROL, long)]);
        assert!(CacheControl::from_headers(&long).no_store());
    }

    /// A quote that nobody closes hid what stood behind it.
    #[test]
    fn what_is_no_list_of_directives_is_not_stored() {
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
            assert!(CacheControl::from_headers(&headers).no_store(), "{broken}");
        }
        for whole in [
            "",
            " ,, private ,",
            "max-age = 60",
            "x=\"\"",
            "x=\"a\\\"b, no-store\", private",
            "x='a'",
        ] {
            assert!(!said(whole).no_store(), "{whole}");
        }
    }

    #[test]
    fn expires_counts_from_the_date_where_no_age_is_said() {
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
    fn the_age_is_a_number_of_seconds_or_nothing() {
        assert_eq!(age(&headers(&[("age", "12")])), Duration::from_secs(12));
        assert_eq!(age(&headers(&[("age", "soon")])), Duration::ZERO);
        assert_eq!(age(&headers(&[])), Duration::ZERO);
    }
}
