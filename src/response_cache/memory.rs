//! One allocation for all of a stored response, so that it keeps no buffer of a connection alive.

use std::ops::Range;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{self, AGE, CONNECTION, InvalidHeaderName, SET_COOKIE},
};

/// Fields of the connection, which are not stored ([RFC 9111 section 3.1]), besides those that `Connection` names.
///
/// [RFC 9111 section 3.1]: https://www.rfc-editor.org/rfc/rfc9111#section-3.1
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
];

/// The bytes that a header map takes for each field of its capacity.
const FIELD: usize = 112;

/// The bytes that a copied field name takes besides its text.
pub(super) const NAME: usize = 32;

/// Copies the body, the header fields and the trailers of a response, less what is not stored.
pub(super) fn copy(
    body: &Bytes,
    headers: &HeaderMap,
    trailers: Option<&HeaderMap>,
) -> (Bytes, HeaderMap, Option<HeaderMap>) {
    let trailer_values = trailers.into_iter().flat_map(HeaderMap::values);
    let values = headers.values().chain(trailer_values).map(HeaderValue::len).sum::<usize>();
    let mut memory = Memory(Vec::with_capacity(body.len() + values));
    memory.0.extend_from_slice(body);
    let excluded = excluded(headers);
    let fields = memory.append(headers, &excluded);
    let trailers = trailers.map(|trailers| memory.append(trailers, &excluded));
    let memory = Bytes::from(memory.0);
    let trailers = trailers.map(|fields| header_map(&memory, fields));
    (memory.slice(..body.len()), header_map(&memory, fields), trailers)
}

/// The bytes that a header map takes, nearly: its table and its texts.
pub(super) fn bytes(map: &HeaderMap) -> usize {
    let texts = map.iter().map(|(name, value)| NAME + name.as_str().len() + value.len());
    map.capacity() * FIELD + texts.sum::<usize>()
}

/// The field names in a field that is a list.
pub(super) fn names<'a>(
    headers: &'a HeaderMap,
    of: &HeaderName,
) -> impl Iterator<Item = Result<HeaderName, InvalidHeaderName>> + 'a {
    let values = headers.get_all(of).iter();
    let names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let names = names.map(<[u8]>::trim_ascii).filter(|name| !name.is_empty());
    names.map(HeaderName::from_bytes)
}

/// The allocation while it is filled.
struct Memory(Vec<u8>);

/// A field, and the range of its value in the memory.
struct Field {
    name: HeaderName,
    value: Range<usize>,
    is_sensitive: bool,
}

// === impl Memory ===

impl Memory {
    fn append(&mut self, headers: &HeaderMap, excluded: &[HeaderName]) -> Vec<Field> {
        let stored = headers.iter().filter(|(name, _)| !excluded.contains(name));
        let append = |(name, value): (&HeaderName, &HeaderValue)| {
            let start = self.0.len();
            self.0.extend_from_slice(value.as_bytes());
            // The name is copied as well: over HTTP/2 it may be a slice of a buffer.
            let name = HeaderName::from_bytes(name.as_str().as_bytes()).unwrap_or(name.clone());
            Field { name, value: start..self.0.len(), is_sensitive: value.is_sensitive() }
        };
        stored.map(append).collect()
    }
}

fn header_map(memory: &Bytes, fields: Vec<Field>) -> HeaderMap {
    // With capacity for `Age`. A map that is too great to be copied keeps what fits.
    let mut headers = HeaderMap::try_with_capacity(fields.len() + 1).unwrap_or_default();
    for field in fields {
        if let Ok(mut value) = HeaderValue::from_maybe_shared(memory.slice(field.value)) {
            value.set_sensitive(field.is_sensitive);
            if headers.try_append(field.name, value).is_err() {
                break;
            }
        }
    }
    headers
}

/// The fields that are not stored: those of the connection, `Age`, which is computed, and cookies.
fn excluded(headers: &HeaderMap) -> Vec<HeaderName> {
    let named = names(headers, &CONNECTION).filter_map(Result::ok);
    named.chain(HOP_BY_HOP).chain([AGE, SET_COOKIE]).collect()
}
