//! A response in the cache.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version,
    header::{self, AGE, CONNECTION, SET_COOKIE, VARY},
    response::Parts,
};
use tokio::time::Instant;

use super::{CacheBody, Stale, generations::Marks, key::Secret};
use crate::{
    chance,
    policy::{Classification, ErrorClass, FetchFailure, HoldOff, ShelfLife, ShelfState},
};

/// What the cache's own books take for an entry, rounded up from what was measured.
const BOOKKEEPING: usize = 512;

/// What a header map takes for each field that it has room for.
const FIELD: usize = 112;

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

/// A response that is kept.
#[derive(Debug)]
pub(super) struct Kept {
    status: StatusCode,
    version: Version,
    headers: HeaderMap,
    body: Bytes,
    trailers: Option<HeaderMap>,
    life: ShelfLife,
    /// The moment before its request was sent.
    pub(super) asked: Instant,
    pub(super) marks: Marks,
    variant: Option<Variant>,
    hold: Mutex<Hold>,
}

/// The requests that a response is for, of all that have its key: those that say the same in the fields that it varies by.
#[derive(Clone, Debug)]
pub(super) struct Variant {
    names: Box<[HeaderName]>,
    print: u128,
}

/// Until when the server is not asked again for this response.
#[derive(Debug, Default)]
struct Hold {
    hold_off: HoldOff,
    until: Option<(Instant, ErrorClass)>,
}

// === impl Kept ===

impl Kept {
    /// What is kept of a response. All of it is copied into one piece of memory, so that nothing keeps alive the buffers of
    /// the connection on which it came.
    pub(super) fn new(
        head: &Parts,
        body: &Bytes,
        trailers: Option<&HeaderMap>,
        life: ShelfLife,
        asked: Instant,
        marks: Marks,
        variant: Option<Variant>,
    ) -> Self {
        let headers = &head.headers;
        let of_trailers = trailers.into_iter().flat_map(HeaderMap::values);
        let values = headers.values().chain(of_trailers).map(HeaderValue::len).sum::<usize>();
        let mut memory = Memory(Vec::with_capacity(body.len() + values));
        memory.0.extend_from_slice(body);
        let places = memory.put(headers, &connection_fields(headers));
        let trailer_places = trailers.map(|trailers| memory.put(trailers, &[]));
        let memory = Bytes::from(memory.0);
        Self {
            status: head.status,
            version: head.version,
            headers: fields(&memory, places),
            trailers: trailer_places.map(|places| fields(&memory, places)),
            body: memory.slice(..body.len()),
            life,
            asked,
            marks,
            variant,
            hold: Mutex::default(),
        }
    }

    /// The bytes that it takes, nearly: those of its memory and of the tables around it.
    pub(super) fn weight(&self) -> usize {
        let of_map = |map: &HeaderMap| {
            let texts = map.iter().map(|(name, value)| name.as_str().len() + value.len());
            map.capacity() * FIELD + texts.sum::<usize>()
        };
        let tables = of_map(&self.headers) + self.trailers.as_ref().map_or(0, of_map);
        let names = self.variant.as_ref().map_or(0, |variant| size_of_val(&*variant.names));
        self.body.len() + tables + names + self.marks.bytes() + size_of::<Self>() + BOOKKEEPING
    }

    pub(super) fn state(&self, now: Instant) -> ShelfState {
        self.life.state(now.saturating_duration_since(self.asked))
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        self.life.age(now.saturating_duration_since(self.asked))
    }

    pub(super) const fn fresh_for(&self) -> Duration {
        self.life.fresh_for()
    }

    /// Whether it is for a request with these headers.
    pub(super) fn is_for(&self, secret: &Secret, headers: &HeaderMap) -> bool {
        self.variant.as_ref().is_none_or(|variant| variant.is_of(secret, headers))
    }

    /// It as a response, with its age, and marked where it is stale.
    pub(super) fn respond<B>(
        &self,
        now: Instant,
        stale: Option<ErrorClass>,
    ) -> Response<CacheBody<B>> {
        let age = self.age(now);
        let mut response = Response::new(CacheBody::kept(self.body.clone(), self.trailers.clone()));
        *response.status_mut() = self.status;
        *response.version_mut() = self.version;
        *response.headers_mut() = self.headers.clone();
        let shown = HeaderValue::from(age.as_secs());
        drop(response.headers_mut().try_insert(AGE, shown));
        if let Some(class) = stale {
            response.extensions_mut().insert(Stale::new(age, class));
        }
        response
    }

    /// Has the server left alone for a while: as long as it said, or else longer with each failure.
    pub(super) fn hold(&self, failure: &Classification, now: Instant) {
        let class = failure.class();
        let kind = match failure.wait() {
            Some(_) => FetchFailure::RateLimited,
            None => FetchFailure::of_class(class),
        };
        let mut hold = self.lock();
        let wait = hold.hold_off.after(kind, failure.wait(), chance::draw());
        // A wait beyond what the clock can hold is longer than anything is served stale.
        hold.until = now.checked_add(wait).map(|until| (until, class));
    }

    /// Why the server is left alone now, if it is.
    pub(super) fn held(&self, now: Instant) -> Option<ErrorClass> {
        self.lock().until.filter(|(until, _)| now < *until).map(|(_, class)| class)
    }

    fn lock(&self) -> MutexGuard<'_, Hold> {
        self.hold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Variant ===

impl Variant {
    /// The variant of a response with these headers, to a request with those; none if it is for all requests.
    pub(super) fn of(secret: &Secret, response: &HeaderMap, request: &HeaderMap) -> Option<Self> {
        let names: Box<[HeaderName]> = list(response, &VARY).collect();
        let print = secret.variant(&names, request);
        (!names.is_empty()).then_some(Self { names, print })
    }

    pub(super) fn is_of(&self, secret: &Secret, request: &HeaderMap) -> bool {
        secret.variant(&self.names, request) == self.print
    }
}

/// One piece of memory that is being filled.
struct Memory(Vec<u8>);

/// A field, where its value ends in the memory, and where it begins.
type Place = (HeaderName, std::ops::Range<usize>, bool);

impl Memory {
    fn put(&mut self, headers: &HeaderMap, without: &[HeaderName]) -> Vec<Place> {
        let kept = headers.iter().filter(|(name, _)| !without.contains(name));
        kept.map(|(name, value)| {
            let start = self.0.len();
            self.0.extend_from_slice(value.as_bytes());
            // A name of its own as well: one that came over HTTP/2 may be a piece of a buffer.
            let name = HeaderName::from_bytes(name.as_str().as_bytes()).unwrap_or(name.clone());
            (name, start..self.0.len(), value.is_sensitive())
        })
        .collect()
    }
}

fn fields(memory: &Bytes, places: Vec<Place>) -> HeaderMap {
    // With room for the age. A map that the server made too great to be copied is left with what fits.
    let mut headers = HeaderMap::try_with_capacity(places.len() + 1).unwrap_or_default();
    for (name, place, is_sensitive) in places {
        if let Ok(mut value) = HeaderValue::from_maybe_shared(memory.slice(place)) {
            value.set_sensitive(is_sensitive);
            if headers.try_append(name, value).is_err() {
                break;
            }
        }
    }
    headers
}

/// The fields that are not kept: those of the connection, the age, which is counted on, and cookies.
fn connection_fields(headers: &HeaderMap) -> Vec<HeaderName> {
    list(headers, &CONNECTION).chain(OF_THE_CONNECTION).chain([AGE, SET_COOKIE]).collect()
}

/// The field names in a list.
fn list<'a>(headers: &'a HeaderMap, of: &HeaderName) -> impl Iterator<Item = HeaderName> + 'a {
    let values = headers.get_all(of).iter();
    let names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
}
