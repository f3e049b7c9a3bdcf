//! Validators: by which a server tells that a stored response is still the present one
//! ([RFC 9111 section 4.3](https://www.rfc-editor.org/rfc/rfc9111#section-4.3)).

use std::time::SystemTime;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, TRANSFER_ENCODING},
};

use crate::headers::date::http_date;

/// The longest `ETag` that is sent back. A server that makes longer ones may reject a request with one, by 431.
const MAX_ETAG: usize = 1024;

/// The validators of a response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validators<'a> {
    etag: Option<&'a HeaderValue>,
    last_modified: Option<&'a HeaderValue>,
}

// === impl Validators ===

impl<'a> Validators<'a> {
    /// `None` if there are none. What is repeated or malformed is no validator: `If-None-Match: *` would be true of any response.
    pub(super) fn of(headers: &'a HeaderMap, now: SystemTime) -> Option<Self> {
        let etag = only(headers, &ETAG)
            .filter(|etag| etag.len() <= MAX_ETAG && is_entity_tag(etag.as_bytes()));
        let is_date = |date: &&HeaderValue| http_date(date.as_bytes(), now).is_some();
        let last_modified = only(headers, &LAST_MODIFIED).filter(is_date);
        (etag.is_some() || last_modified.is_some()).then_some(Self { etag, last_modified })
    }

    /// Makes a request conditional.
    pub(super) fn add_to(self, request: &mut HeaderMap) {
        for (name, value) in [(IF_NONE_MATCH, self.etag), (IF_MODIFIED_SINCE, self.last_modified)] {
            if let Some(value) = value {
                drop(request.try_insert(name, value.clone()));
            }
        }
    }

    /// Whether a 304 with these header fields is about the response with these validators
    /// ([section 4.3.4](https://www.rfc-editor.org/rfc/rfc9111#section-4.3.4)). One without any is about the one that was asked for.
    pub(super) fn are_confirmed_by(self, not_modified: &HeaderMap) -> bool {
        match (self.etag, not_modified.get(ETAG)) {
            (Some(stored), Some(confirmed)) => opaque(stored) == opaque(confirmed),
            (None, Some(_)) => false,
            (Some(_), None) => true,
            (None, None) => {
                let confirmed = not_modified.get(LAST_MODIFIED);
                confirmed.is_none_or(|confirmed| Some(confirmed) == self.last_modified)
            }
        }
    }
}

/// The header fields of a stored response after a 304 ([section 3.2](https://www.rfc-editor.org/rfc/rfc9111#section-3.2)). What
/// describes the stored body stays as it is: frameworks put a `Content-Type` and a `Content-Length` of their own into a 304.
pub(super) fn update(stored: &mut HeaderMap, not_modified: &HeaderMap) {
    let describes_body = |name: &HeaderName| {
        (name.as_str().starts_with("content-") && name.as_str() != "content-security-policy")
            || *name == TRANSFER_ENCODING
            || *name == ETAG
    };
    for name in not_modified.keys().filter(|name| !describes_body(name)) {
        stored.remove(name);
        for value in not_modified.get_all(name) {
            // A map that is full keeps what it has.
            drop(stored.try_append(name.clone(), value.clone()));
        }
    }
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// `entity-tag` ([RFC 9110 section 8.8.3](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3)).
fn is_entity_tag(text: &[u8]) -> bool {
    let quoted = text.strip_prefix(b"W/").unwrap_or(text);
    let tag = quoted.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    tag.is_some_and(|tag| tag.iter().all(|byte| *byte > b' ' && *byte != b'"' && *byte != 0x7f))
}

/// What the weak comparison looks at.
fn opaque(etag: &HeaderValue) -> &[u8] {
    let etag = etag.as_bytes();
    etag.strip_prefix(b"W/").unwrap_or(etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    const DATE: (&str, &str) = ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT");

    #[test]
    fn what_is_malformed_or_repeated_is_no_validator() {
        let etags = |fields: &[(&'static str, &'static str)]| {
            let headers = headers(fields);
            let mut request = HeaderMap::new();
            if let Some(validators) = Validators::of(&headers, SystemTime::UNIX_EPOCH) {
                validators.add_to(&mut request);
            }
            let text = |name| request.get(name).map(|value| value.to_str().unwrap().to_owned());
            (text("if-none-match"), text("if-modified-since"))
        };
        for etag in ["\"7\"", "W/\"7\"", "\"\"", "\"a,b\""] {
            assert_eq!(etags(&[("etag", etag)]).0.as_deref(), Some(etag));
        }
        for wrong in ["*", "7", "", "\"", "w/\"7\"", "\"a\", \"b\"", "\"a b\"", "W/7"] {
            assert_eq!(etags(&[("etag", wrong)]), (None, None), "{wrong}");
        }
        assert_eq!(etags(&[("etag", "\"1\""), ("etag", "\"2\"")]), (None, None));
        assert_eq!(etags(&[DATE]).1.as_deref(), Some(DATE.1));
        assert_eq!(etags(&[("last-modified", "yesterday")]), (None, None));
    }

    #[test]
    fn a_304_confirms_what_it_names_or_names_nothing() {
        let confirms = |stored: &[_], confirmed: &[_]| {
            let stored = headers(stored);
            let validators = Validators::of(&stored, SystemTime::UNIX_EPOCH).unwrap();
            validators.are_confirmed_by(&headers(confirmed))
        };
        let (one, weak, other) = (("etag", "\"1\""), ("etag", "W/\"1\""), ("etag", "\"2\""));
        let later = ("last-modified", "Sun, 06 Nov 1994 08:49:38 GMT");
        assert!(confirms(&[one], &[one]) && confirms(&[one], &[weak]) && confirms(&[weak], &[one]));
        assert!(confirms(&[one], &[]) && confirms(&[DATE], &[]) && confirms(&[DATE], &[DATE]));
        assert!(!confirms(&[one], &[other]) && !confirms(&[DATE], &[one]));
        assert!(!confirms(&[DATE], &[later]));
    }
}
