//! One piece of memory for all of a response, so that nothing keeps alive the buffers of the connection on which it came.

use std::ops::Range;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{self, AGE, CONNECTION, InvalidHeaderName, SET_COOKIE},
};

/// Fields that are about the connection and are not kept ([RFC 9111 section 3.1]), besides those that `Connection` names.
///
/// [RFC 9111 section 3.1]: https://www.rfc-editor.org/rfc/rfc9111#section-3.1
const OF_THE_CONNECTION: [HeaderName; 8] = [
    CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
];

/// What a header map takes for each field that it has room for.
const FIELD: usize = 112;

/// What a field's name takes besides its text, once it was copied.
pub(super) const NAME: usize = 32;

/// Copies of what is kept of a response: its body, its fields, its trailers.
pub(super) fn copies(
    body: &Bytes,
    headers: &HeaderMap,
    trailers: Option<&HeaderMap>,
) -> (Bytes, HeaderMap, Option<HeaderMap>) {
    let of_trailers = trailers.into_iter().flat_map(HeaderMap::values);
    let values = headers.values().chain(of_trailers).map(HeaderValue::len).sum::<usize>();
    let mut memory = Memory(Vec::with_capacity(body.len() + values));
    memory.0.extend_from_slice(body);
    let without = not_kept(headers);
    let places = memory.put(headers, &without);
    let trailer_places = trailers.map(|trailers| memory.put(trailers, &without));
    let memory = Bytes::from(memory.0);
    let trailers = trailer_places.map(|places| fields(&memory, places));
    (memory.slice(..body.len()), fields(&memory, places), trailers)
}

/// The bytes that a header map takes, nearly: those of its table and of its texts.
pub(super) fn bytes(map: &HeaderMap) -> usize {
    let texts = map.iter().map(|(name, value)| NAME + name.as_str().len() + value.len());
    map.capacity() * FIELD + texts.sum::<usize>()
}

/// The field names in a list.
pub(super) fn names<'a>(
    headers: &'a HeaderMap,
    of: &HeaderName,
) -> impl Iterator<Item = Result<HeaderName, InvalidHeaderName>> + 'a {
    let values = headers.get_all(of).iter();
    let names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let names = names.map(<[u8]>::trim_ascii).filter(|name| !name.is_empty());
    names.map(HeaderName::from_bytes)
}

/// One piece of memory that is being filled.
struct Memory(Vec<u8>);

/// A field, and where its value is in the memory.
struct Place {
    name: HeaderName,
    value: Range<usize>,
    is_sensitive: bool,
}

// === impl Memory ===

impl Memory {
    fn put(&mut self, headers: &HeaderMap, without: &[HeaderName]) -> Vec<Place> {
        let kept = headers.iter().filter(|(name, _)| !without.contains(name));
        kept.map(|(name, value)| {
            let start = self.0.len();
            self.0.extend_from_slice(value.as_bytes());
            // A name of its own as well: one that came over HTTP/2 may be a piece of a buffer.
            let name = HeaderName::from_bytes(name.as_str().as_bytes()).unwrap_or(name.clone());
            Place { name, value: start..self.0.len(), is_sensitive: value.is_sensitive() }
        })
        .collect()
    }
}

fn fields(memory: &Bytes, places: Vec<Place>) -> HeaderMap {
    // With room for the age. A map that the server made too great to be copied is left with what fits.
    let mut headers = HeaderMap::try_with_capacity(places.len() + 1).unwrap_or_default();
    for place in places {
        if let Ok(mut value) = HeaderValue::from_maybe_shared(memory.slice(place.value)) {
            value.set_sensitive(place.is_sensitive);
            if headers.try_append(place.name, value).is_err() {
                break;
            }
        }
    }
    headers
}

/// The fields that are not kept: those of the connection, the age, which is counted on, and cookies.
fn not_kept(headers: &HeaderMap) -> Vec<HeaderName> {
    let named = names(headers, &CONNECTION).filter_map(Result::ok);
    named.chain(OF_THE_CONNECTION).chain([AGE, SET_COOKIE]).collect()
}
