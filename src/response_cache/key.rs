//! The hashes that identify stored responses, so that no credential is stored.

use std::{
    borrow::Cow,
    hash::{BuildHasher, Hash, Hasher, RandomState},
};

use http::{
    HeaderMap, HeaderName, Uri,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, HOST, InvalidHeaderName, VARY},
    request::Parts,
};
use percent_encoding::percent_decode_str;
use siphasher::sip128::{Hasher128, SipHasher24};
use smallvec::SmallVec;

use super::{
    config::CountedFields,
    memory::{NAME, names},
    neutral::{is_credential, is_neutral},
};
use crate::{extensions::token_scope::TokenScope, origin::usual_port};

/// The random key of all hashes of one cache. Without it two requests cannot be made to collide.
#[derive(Clone)]
pub(super) struct HashKey([u8; 16]);

/// A hash of all that tells a request's response from others. Two different requests collide once in 2^128.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct LookupKey(pub(super) u128);

/// The hasher of a map by lookup keys, which are hashes already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyHasher(u64);

/// A hash of something that responses are invalidated by. A collision costs a fetch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag(pub(super) u64);

/// The requests with the same lookup key that may get a response: those with the same values in the fields that `Vary` names, and
/// for an encoded response in `Accept-Encoding`.
#[derive(Clone, Debug, Default)]
pub(super) struct Variant {
    names: Box<[HeaderName]>,
    fingerprint: u128,
}

/// A hash in progress. Each field is written with its length, so that no two sequences of fields collide.
struct Fingerprint(SipHasher24);

// === impl HashKey ===

impl HashKey {
    pub(super) fn new() -> Self {
        // The standard library takes its keys from the system's random number generator.
        let random = RandomState::new();
        let mut key = [0; 16];
        key[..8].copy_from_slice(&random.hash_one(0).to_ne_bytes());
        key[8..].copy_from_slice(&random.hash_one(1).to_ne_bytes());
        Self(key)
    }

    /// The lookup key of a `GET`: all of its head but the fields that do not count, and those that an `owner` stands for.
    pub(super) fn lookup_key(
        &self,
        head: &Parts,
        fields: &CountedFields,
        owner: Option<&[u8]>,
    ) -> LookupKey {
        let mut hash = self.fingerprint(0);
        let uri = &head.uri;
        hash.field(uri.scheme_str().unwrap_or("").as_bytes());
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let (user, server) = authority.rsplit_once('@').unwrap_or(("", authority));
        hash.field(user.as_bytes());
        hash.lowercase(server.as_bytes());
        let path = uri.path_and_query().map_or("", |path| path.as_str());
        hash.field(path.as_bytes());
        // Clones of a layer share one store, and may count other fields.
        hash.names(&fields.chosen);
        hash.names(&fields.ignored);
        hash.0.write_u8(u8::from(owner.is_some()));
        hash.field(owner.unwrap_or_default());
        hash.fields(&head.headers, |name| {
            fields.counts(name).unwrap_or_else(|| {
                let is_replaced = owner.is_some() && is_credential(name);
                !is_replaced && !is_neutral(name, &head.headers)
            })
        });
        // The token that an inner layer will attach.
        head.extensions.get::<TokenScope>().hash(&mut hash.0);
        LookupKey(hash.finish())
    }

    /// The tag of a resource: its server and path, without the query and the percent-encoding.
    pub(super) fn resource(&self, uri: &Uri, headers: Option<&HeaderMap>) -> Tag {
        let mut hash = self.fingerprint(2);
        match (uri.host(), headers) {
            (Some(host), _) => {
                hash.lowercase(host.as_bytes());
                let port = uri.port_u16().or_else(|| usual_port(uri.scheme_str()?));
                hash.0.write_u16(port.unwrap_or(443));
            }
            (None, Some(headers)) => hash.values(headers, &HOST),
            (None, None) => {}
        }
        hash.decoded(uri.path());
        Tag(hash.finish() as u64)
    }

    /// The tag of a value of a path parameter.
    pub(super) fn parameter(&self, name: &str, value: &str) -> Tag {
        self.parameter_of(name, |hash| hash.field(value.as_bytes()))
    }

    /// The tag of a percent-encoded value of a path parameter.
    pub(super) fn encoded_parameter(&self, name: &str, value: &str) -> Tag {
        self.parameter_of(name, |hash| hash.decoded(value))
    }

    fn parameter_of(&self, name: &str, value: impl FnOnce(&mut Fingerprint)) -> Tag {
        let mut hash = self.fingerprint(3);
        hash.field(name.as_bytes());
        value(&mut hash);
        Tag(hash.finish() as u64)
    }

    /// Begins a hash. Hashes for different purposes do not collide.
    fn fingerprint(&self, purpose: u8) -> Fingerprint {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write_u8(purpose);
        Fingerprint(hasher)
    }
}

// === impl LookupKey ===

impl Hash for LookupKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0 as u64);
    }
}

// === impl KeyHasher ===

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, part: u64) {
        self.0 = self.0.rotate_left(8) ^ part;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

// === impl Variant ===

impl Variant {
    /// The variant of a response with these header fields to a request with those.
    ///
    /// # Errors
    ///
    /// An unreadable `Vary`: which requests may get the response is unknown.
    pub(super) fn new(
        key: &HashKey,
        response: &HeaderMap,
        request: &HeaderMap,
    ) -> Result<Self, InvalidHeaderName> {
        let mut names: Vec<_> = names(response, &VARY).collect::<Result<_, _>>()?;
        // A server that forgets to say so must not give a caller an encoding that it does not accept.
        if response.contains_key(CONTENT_ENCODING) && !names.contains(&ACCEPT_ENCODING) {
            names.push(ACCEPT_ENCODING);
        }
        let names = names.into_boxed_slice();
        let fingerprint = Self::fingerprint(key, &names, request);
        Ok(Self { names, fingerprint })
    }

    /// Whether a request with these header fields may get the response.
    pub(super) fn matches(&self, key: &HashKey, request: &HeaderMap) -> bool {
        self.names.is_empty() || Self::fingerprint(key, &self.names, request) == self.fingerprint
    }

    /// The bytes that it takes besides itself, nearly.
    pub(super) fn bytes(&self) -> usize {
        let texts = self.names.iter().map(|name| NAME + name.as_str().len()).sum::<usize>();
        size_of_val(&*self.names) + texts
    }

    fn fingerprint(key: &HashKey, names: &[HeaderName], headers: &HeaderMap) -> u128 {
        let mut hash = key.fingerprint(1);
        names.iter().for_each(|name| hash.values(headers, name));
        hash.finish()
    }
}

// === impl Fingerprint ===

impl Fingerprint {
    fn field(&mut self, bytes: &[u8]) {
        self.0.write_usize(bytes.len());
        self.0.write(bytes);
    }

    fn lowercase(&mut self, bytes: &[u8]) {
        self.0.write_usize(bytes.len());
        bytes.iter().for_each(|byte| self.0.write_u8(byte.to_ascii_lowercase()));
    }

    /// A text without its percent-encoding.
    fn decoded(&mut self, text: &str) {
        let bytes: Cow<'_, [u8]> = percent_decode_str(text).into();
        self.field(&bytes);
    }

    fn values(&mut self, headers: &HeaderMap, name: &HeaderName) {
        let values = headers.get_all(name);
        self.0.write_usize(values.iter().count());
        values.iter().for_each(|value| self.field(value.as_bytes()));
    }

    /// All fields that count, in an order that does not depend on that of the request.
    fn fields(&mut self, headers: &HeaderMap, counts: impl Fn(&HeaderName) -> bool) {
        let mut names: SmallVec<[&HeaderName; 24]> =
            headers.keys().filter(|name| counts(name)).collect();
        names.sort_unstable_by_key(|name| name.as_str());
        self.0.write_usize(names.len());
        for name in names {
            self.field(name.as_str().as_bytes());
            self.values(headers, name);
        }
    }

    fn names(&mut self, names: &[HeaderName]) {
        self.0.write_usize(names.len());
        names.iter().for_each(|name| self.field(name.as_str().as_bytes()));
    }

    fn finish(self) -> u128 {
        self.0.finish128().as_u128()
    }
}
