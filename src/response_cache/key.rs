//! What tells one kept response from another, without a credential being kept.

use std::{
    borrow::Cow,
    fmt,
    hash::{BuildHasher, Hash, Hasher, RandomState},
};

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header::HOST, request::Parts};
use percent_encoding::percent_decode_str;
use siphasher::sip128::{Hasher128, SipHasher24};

use super::credential::names_credential;
use crate::{extensions::token_scope::TokenScope, origin::usual_port};

/// The key of the hash, which no other process and no other layer has: nobody can make two requests that it takes for one.
#[derive(Clone)]
pub(super) struct Secret([u8; 16]);

/// All that tells a request's response from others, hashed to 128 bits: nothing can be read from it, and as long as the
/// secret is one, two that differ are taken for the same once in 2^128.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(pub(super) u128);

/// The hasher of a map by such keys: what is a hash already is not hashed again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyHasher(u64);

/// Something that responses have in common and can be invalidated by. Two that are taken for the same cost a fetch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag(pub(super) u64);

/// Collects fields, each so that its end is known.
struct Print(SipHasher24);

// === impl Secret ===

impl Secret {
    pub(super) fn new() -> Self {
        // The standard library's keys come from the system's generator of secrets.
        let random = RandomState::new();
        let mut key = [0; 16];
        key[..8].copy_from_slice(&random.hash_one(0).to_ne_bytes());
        key[8..].copy_from_slice(&random.hash_one(1).to_ne_bytes());
        Self(key)
    }

    /// The key of a `GET`. `owner` says whose response it is; where it is none, the fields that carry credentials do.
    pub(super) fn key(&self, head: &Parts, chosen: &[HeaderName], owner: Option<&[u8]>) -> Key {
        let mut print = self.print(0);
        let uri = &head.uri;
        print.field(uri.scheme_str().unwrap_or("").as_bytes());
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let (user, server) = authority.rsplit_once('@').unwrap_or(("", authority));
        print.field(user.as_bytes());
        print.without_case(server.as_bytes());
        print.values(&head.headers, &HOST);
        let path = uri.path_and_query().map_or("", |path| path.as_str());
        print.field(path.as_bytes());
        // Clones of a layer share what is kept, and may have chosen others.
        print.0.write_usize(chosen.len());
        for name in chosen {
            print.field(name.as_str().as_bytes());
            print.values(&head.headers, name);
        }
        match owner {
            Some(owner) => {
                print.0.write_u8(1);
                print.field(owner);
            }
            None => {
                print.0.write_u8(0);
                print.credentials(&head.headers);
            }
        }
        // The token that a layer inside will attach.
        head.extensions.get::<TokenScope>().hash(&mut print.0);
        Key(print.end())
    }

    /// What the fields that a response varies by say in this request.
    pub(super) fn variant(&self, names: &[HeaderName], headers: &HeaderMap) -> u128 {
        let mut print = self.print(1);
        for name in names {
            print.values(headers, name);
        }
        print.end()
    }

    /// The resource itself: its server and its path, whatever the query and however it is percent-encoded.
    pub(super) fn resource(&self, uri: &Uri, headers: Option<&HeaderMap>) -> Tag {
        let mut print = self.print(2);
        match (uri.host(), headers) {
            (Some(host), _) => {
                print.without_case(host.as_bytes());
                let port = uri.port_u16().or_else(|| usual_port(uri.scheme_str()?));
                print.0.write_u16(port.unwrap_or(443));
            }
            (None, Some(headers)) => print.values(headers, &HOST),
            (None, None) => {}
        }
        print.decoded(uri.path());
        Tag(print.end() as u64)
    }

    /// Whatever has this value in the place of this parameter.
    pub(super) fn parameter(&self, name: &str, value: &str) -> Tag {
        let mut print = self.print(3);
        print.field(name.as_bytes());
        print.field(value.as_bytes());
        Tag(print.end() as u64)
    }

    /// The same, of a value that is percent-encoded.
    pub(super) fn encoded_parameter(&self, name: &str, value: &str) -> Tag {
        let mut print = self.print(3);
        print.field(name.as_bytes());
        print.decoded(value);
        Tag(print.end() as u64)
    }

    /// What is hashed for one purpose is never taken for what is hashed for another.
    fn print(&self, purpose: u8) -> Print {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write_u8(purpose);
        Print(hasher)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

// === impl Key ===

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Hash for Key {
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

// === impl Print ===

impl Print {
    fn field(&mut self, bytes: &[u8]) {
        self.0.write_usize(bytes.len());
        self.0.write(bytes);
    }

    fn without_case(&mut self, bytes: &[u8]) {
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

    fn credentials(&mut self, headers: &HeaderMap) {
        for name in headers.keys() {
            let mut values = headers.get_all(name).iter();
            if names_credential(name) || values.any(HeaderValue::is_sensitive) {
                self.field(name.as_str().as_bytes());
                self.values(headers, name);
            }
        }
        // No name is empty, so this is their end.
        self.field(b"");
    }

    fn end(self) -> u128 {
        self.0.finish128().as_u128()
    }
}
