//! Names and records that tell nobody what is in them.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf, hmac,
    rand::{SecureRandom, SystemRandom},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use zeroize::Zeroizing;

use super::{FetchId, StoreName};
use crate::error::InvalidConfig;

/// The version of the layout of a record.
const VERSION: u8 = 1;

/// The key id of records in clear text. No key can have it.
const CLEAR_TEXT: u32 = u32::MAX;

const KEY_LEN: usize = 32;
const SALT_LEN: usize = 24;

/// Version and key id.
const HEAD_LEN: usize = 1 + 4;

/// How much of the hash is in a name: 128 bits.
const TAG_LEN: usize = 16;

/// The secrets of everything that processes share through a store: one for names, and those that records are sealed with.
///
/// ```
/// use tower_heed::store::SealingKeys;
///
/// # let (namespace, old, new) = ([1; 32], [2; 32], [3; 32]);
/// let keys = SealingKeys::new(&namespace, 2, &new).also_opens(1, &old)?;
/// # drop(keys);
/// # Ok::<(), tower_heed::error::InvalidConfig>(())
/// ```
///
/// The *namespace* secret makes the names. It is the same in all processes that share, and differs between applications that use
/// one database: those never see each other's values. It is not rotated, since all names would change with it.
///
/// The *keys* seal what is stored, by AES-256-GCM. Each has an id. A record is bound to its name: copied to another one, it does not
/// open. **To rotate**, give every process the new key by [`also_opens`](Self::also_opens) first; when all have it, make it the one
/// that seals, and keep the old one in `also_opens` for as long as tokens live. A process that meets a key that it does not know goes on
/// as if there were no store for that value, and overwrites nothing.
///
/// `Debug` shows the ids alone. The bytes are wiped when the last clone is dropped.
#[derive(Clone)]
pub struct SealingKeys(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    prefix: String,
    namespace: hmac::Key,
    /// The first one seals. None means clear text.
    keys: Vec<(u32, Zeroizing<[u8; KEY_LEN]>)>,
}

/// What is in a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opened<T> {
    Value(T),
    /// It is ours, and was changed, cut off or copied: as if it was not there.
    Broken,
    /// It is of another version, or sealed by a key that is not known here: nobody may write over it.
    NotOurs {
        version: u8,
        key_id: Option<u32>,
    },
}

struct OutLen(usize);

// === impl SealingKeys ===

impl SealingKeys {
    /// Names by `namespace`, and seals with `key`, which has this id. All bytes are random, from a secret store for example.
    #[must_use]
    pub fn new(namespace: &[u8; 32], id: u16, key: &[u8; KEY_LEN]) -> Self {
        Self::of(namespace, vec![(id.into(), Zeroizing::new(*key))])
    }

    /// Opens what was sealed with this key as well: the one before, or the next one.
    ///
    /// # Errors
    ///
    /// There is a key of this id already.
    pub fn also_opens(mut self, id: u16, key: &[u8; KEY_LEN]) -> Result<Self, InvalidConfig> {
        let inner = Arc::make_mut(&mut self.0);
        let id = u32::from(id);
        if inner.keys.iter().any(|(known, _)| *known == id) {
            let why = "each key needs an id of its own";
            return Err(InvalidConfig::new(format!("sealing key {id}"), why));
        }
        inner.keys.push((id, Zeroizing::new(*key)));
        Ok(self)
    }

    /// Names by `namespace`, and **seals nothing**: whoever can read the store has all tokens. For tests and debugging.
    #[must_use]
    pub fn in_clear_text(namespace: &[u8; 32]) -> Self {
        Self::of(namespace, Vec::new())
    }

    /// Sets what all names begin with, up to 64 letters, digits and other visible ASCII characters; other characters and braces are
    /// left out. The default is `heed`.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        let letters = prefix.chars().filter(|c| c.is_ascii_graphic() && !"{}".contains(*c));
        Arc::make_mut(&mut self.0).prefix = letters.take(64).collect();
        self
    }

    fn of(namespace: &[u8; 32], keys: Vec<(u32, Zeroizing<[u8; KEY_LEN]>)>) -> Self {
        let namespace = hmac::Key::new(hmac::HMAC_SHA256, namespace);
        Self(Arc::new(Inner { prefix: "heed".to_owned(), namespace, keys }))
    }

    /// The name of a value of this kind. `canonical` is what it is for, in one form only.
    pub(crate) fn name(&self, kind: &'static str, canonical: &[u8]) -> StoreName {
        let tag = self.keyed_hash(kind, canonical);
        let tag = BASE64_URL_SAFE_NO_PAD.encode(&tag.as_ref()[..TAG_LEN]);
        StoreName::new(&self.0.prefix, kind, &tag)
    }

    /// A hash that says nothing about `value` to those without the namespace secret.
    #[cfg(feature = "client-credentials")]
    pub(crate) fn fingerprint(&self, value: &[u8]) -> [u8; 8] {
        let mut short = [0; 8];
        short.copy_from_slice(&self.keyed_hash("fingerprint", value).as_ref()[..8]);
        short
    }

    fn keyed_hash(&self, purpose: &str, value: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0.namespace);
        context.update(purpose.as_bytes());
        context.update(&[0]);
        context.update(value);
        context.sign()
    }

    /// The record of `value`, to be stored under `name` by the fetch `id`. None only if the system has no random bytes.
    pub(crate) fn seal(&self, name: &StoreName, id: FetchId, value: &[u8]) -> Option<Bytes> {
        let Some((key_id, key)) = self.0.keys.first() else {
            let mut record = head(CLEAR_TEXT);
            record.extend_from_slice(value);
            return Some(record.into());
        };
        let mut record = head(*key_id);
        let mut salt = [0; SALT_LEN];
        SystemRandom::new().fill(&mut salt).ok()?;
        record.extend_from_slice(&salt);
        let (key, nonce) = derive(key, &salt)?;
        let mut sealed = Zeroizing::new(Vec::with_capacity(value.len() + AES_256_GCM.tag_len()));
        sealed.extend_from_slice(value);
        key.seal_in_place_append_tag(nonce, aad(name, id, &record), &mut *sealed).ok()?;
        record.extend_from_slice(&sealed);
        Some(record.into())
    }

    /// What is in the record of the fetch `id` under `name`.
    pub(crate) fn open(
        &self,
        name: &StoreName,
        id: FetchId,
        record: &[u8],
    ) -> Opened<Zeroizing<Vec<u8>>> {
        let Some((&version, rest)) = record.split_first() else { return Opened::Broken };
        if version != VERSION {
            return Opened::NotOurs { version, key_id: None };
        }
        let Some((key_id, rest)) = rest.split_first_chunk() else { return Opened::Broken };
        let key_id = u32::from_be_bytes(*key_id);
        if key_id == CLEAR_TEXT && self.0.keys.is_empty() {
            return Opened::Value(Zeroizing::new(rest.to_vec()));
        }
        let Some((_, key)) = self.0.keys.iter().find(|(known, _)| *known == key_id) else {
            return Opened::NotOurs { version, key_id: Some(key_id) };
        };
        let opened = || {
            let (salt, sealed) = rest.split_first_chunk::<SALT_LEN>()?;
            let (key, nonce) = derive(key, salt)?;
            let mut value = Zeroizing::new(sealed.to_vec());
            let aad = aad(name, id, &record[..HEAD_LEN + SALT_LEN]);
            let len = key.open_in_place(nonce, aad, &mut value).ok()?.len();
            value.truncate(len);
            Some(value)
        };
        opened().map_or(Opened::Broken, Opened::Value)
    }
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<u32> = self.0.keys.iter().map(|(id, _)| *id).collect();
        f.debug_struct("SealingKeys").field("ids", &ids).finish_non_exhaustive()
    }
}

// === impl FetchId ===

impl FetchId {
    /// A new one. None only if the system has no random bytes.
    pub(crate) fn draw() -> Option<Self> {
        let mut bytes = [0; 8];
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(Self::from_bytes(bytes))
    }
}

// === impl OutLen ===

impl hkdf::KeyType for OutLen {
    fn len(&self) -> usize {
        self.0
    }
}

fn head(key_id: u32) -> Vec<u8> {
    let mut head = vec![VERSION];
    head.extend_from_slice(&key_id.to_be_bytes());
    head
}

/// Everything in the store that a record depends on: its name, whose it is, and what stands before the sealed part.
fn aad(name: &StoreName, id: FetchId, before: &[u8]) -> Aad<Vec<u8>> {
    let name = name.as_str().as_bytes();
    Aad::from([&id.to_bytes(), before, name].concat())
}

/// The key and the nonce of one record: a random nonce under one key would be good for 2^32 records only.
fn derive(key: &[u8; KEY_LEN], salt: &[u8; SALT_LEN]) -> Option<(LessSafeKey, Nonce)> {
    let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(key);
    let mut bytes = Zeroizing::new([0; KEY_LEN + NONCE_LEN]);
    let info: &[&[u8]] = &[b"tower-heed record 1"];
    derived.expand(info, OutLen(bytes.len())).ok()?.fill(&mut *bytes).ok()?;
    let (key, nonce) = bytes.split_at(KEY_LEN);
    let key = UnboundKey::new(&AES_256_GCM, key).ok()?;
    Some((LessSafeKey::new(key), Nonce::try_assume_unique_for_key(nonce).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMESPACE: [u8; 32] = [7; 32];
    const ID: FetchId = FetchId::from_bytes(*b"fetch-01");

    fn keys(id: u16) -> SealingKeys {
        SealingKeys::new(&NAMESPACE, id, &[u8::try_from(id).unwrap(); 32])
    }

    fn value(opened: Opened<Zeroizing<Vec<u8>>>) -> Opened<Vec<u8>> {
        match opened {
            Opened::Value(value) => Opened::Value(value.to_vec()),
            Opened::Broken => Opened::Broken,
            Opened::NotOurs { version, key_id } => Opened::NotOurs { version, key_id },
        }
    }

    #[test]
    fn rule_32_a_record_opens_under_its_name_with_each_known_key_and_under_no_other() {
        let (old, new) = (keys(1), keys(2));
        let name = old.name("t", b"client");
        assert_eq!(name, new.name("t", b"client"), "names do not rotate");
        let record = old.seal(&name, ID, b"sesame").unwrap();
        let sesame = || Opened::Value(b"sesame".to_vec());
        assert_eq!(value(old.open(&name, ID, &record)), sesame());
        let rotating = keys(2).also_opens(1, &[1; 32]).unwrap();
        assert_eq!(value(rotating.open(&name, ID, &record)), sesame());
        let unknown = Opened::NotOurs { version: 1, key_id: Some(1) };
        assert_eq!(value(new.open(&name, ID, &record)), unknown);
        let other = old.name("t", b"other client");
        assert_eq!(value(old.open(&other, ID, &record)), Opened::Broken, "copied");
        let of_another = FetchId::from_bytes(*b"fetch-02");
        assert_eq!(value(old.open(&name, of_another, &record)), Opened::Broken, "marked anew");
        let mut next = record.to_vec();
        next[0] = 2;
        let unknown = Opened::NotOurs { version: 2, key_id: None };
        assert_eq!(value(old.open(&name, ID, &next)), unknown);
    }

    #[test]
    fn rule_32_no_flipped_byte_and_no_cut_goes_unnoticed() {
        let keys = keys(1);
        let name = keys.name("t", b"client");
        let record = keys.seal(&name, ID, b"sesame").unwrap();
        for at in 0..record.len() {
            let mut flipped = record.to_vec();
            flipped[at] ^= 1;
            let is_ours = at >= HEAD_LEN;
            let opened = keys.open(&name, ID, &flipped);
            assert_eq!(opened == Opened::Broken, is_ours, "{at}");
            assert!(!matches!(opened, Opened::Value(_)), "{at}");
            assert_eq!(value(keys.open(&name, ID, &record[..at])), Opened::Broken, "{at}");
        }
    }

    #[test]
    fn rule_32_clear_text_is_by_name_only() {
        let (clear, sealed) = (SealingKeys::in_clear_text(&NAMESPACE), keys(1));
        let name = clear.name("t", b"client");
        let record = clear.seal(&name, ID, b"sesame").unwrap();
        assert!(record.windows(6).any(|window| window == b"sesame"));
        assert_eq!(value(clear.open(&name, ID, &record)), Opened::Value(b"sesame".to_vec()));
        let not_ours = Opened::NotOurs { version: 1, key_id: Some(CLEAR_TEXT) };
        assert_eq!(value(sealed.open(&name, ID, &record)), not_ours);
        let record = sealed.seal(&name, ID, b"sesame").unwrap();
        assert!(!record.windows(6).any(|window| window == b"sesame"));
        assert!(matches!(clear.open(&name, ID, &record), Opened::NotOurs { .. }));
    }

    #[test]
    fn names_say_nothing_and_differ_by_namespace_and_kind() {
        let keys = keys(1);
        let name = keys.name("t", b"client");
        assert!(name.as_str().starts_with("heed:1:t:{") && name.as_str().len() == 10 + 22 + 1);
        assert_ne!(keys.name("r", b"client").as_str()[9..], name.as_str()[9..]);
        let other = SealingKeys::new(&[8; 32], 1, &[1; 32]);
        assert_ne!(other.name("t", b"client"), name);
        let named = keys.clone().prefix("a{c}m\r\n e").name("t", b"client");
        assert!(named.as_str().starts_with("acme:1:t:{"));
        assert!(keys.clone().prefix(&"x".repeat(300)).name("t", b"").as_str().len() < 128);
        assert!(!format!("{name:?} {keys:?}").contains("client"));
    }

    #[test]
    fn two_keys_of_one_id_are_refused_and_debug_shows_ids_alone() {
        assert!(keys(1).also_opens(1, &[9; 32]).is_err());
        let shown = format!("{:?}", keys(1).also_opens(2, &[9; 32]).unwrap());
        assert_eq!(shown, "SealingKeys { ids: [1, 2], .. }");
    }
}
