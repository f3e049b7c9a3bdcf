//! The stored responses.

use std::{
    hash::BuildHasherDefault,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use http::HeaderMap;
use moka::sync::Cache;
use tokio::time::Instant;

use super::{
    AfterFailure,
    cache_control::Accepts,
    generations::{Generations, Validity, Version},
    key::{HashKey, KeyHasher, LookupKey},
    snapshot::Counts,
    store_policy::FreshnessState,
    stored::StoredResponse,
};
use crate::classify::{Classification, ErrorClass};

/// How long requests pass without single flight after a response that could not be stored.
const PASS_FOR: Duration = Duration::from_secs(60);

/// The stored responses of a layer, its clones, their services and its handles.
pub(super) struct Store {
    /// It bounds the bytes. [`StoredResponse`] knows how long it may be used.
    responses: Cache<LookupKey, Entry, BuildHasherDefault<KeyHasher>>,
    /// Held while an entry is compared and replaced.
    writes: Mutex<()>,
    pub(super) hash_key: HashKey,
    pub(super) generations: Generations,
    pub(super) counts: Counts,
}

/// What is known about a lookup key.
#[derive(Clone)]
enum Entry {
    Stored(Arc<StoredResponse>),
    /// The last response could not be stored. Until this moment, waiting for another fetch gains nothing.
    NotStored {
        version: Version,
        until: Instant,
    },
}

/// What the store has for a request.
pub(super) enum Found {
    Fresh(Arc<StoredResponse>),
    /// A stale response that may be refreshed.
    Stale(Arc<StoredResponse>),
    /// A stale response that the server allows to serve while it is refreshed.
    WhileRefreshed(Arc<StoredResponse>),
    /// A stale response whose refresh failed with this class a short time ago.
    InCooldown(Arc<StoredResponse>, ErrorClass),
    /// The server's responses cannot be stored.
    NotStored,
    Nothing,
}

// === impl Store ===

impl Store {
    pub(super) fn new(max_bytes: u64) -> Self {
        let generations = Generations::new(max_bytes);
        let responses = Cache::builder()
            .max_capacity(max_bytes.saturating_sub(generations.bytes()))
            .weigher(|_, entry: &Entry| u32::try_from(entry.weight()).unwrap_or(u32::MAX))
            .build_with_hasher(BuildHasherDefault::default());
        Self {
            responses,
            writes: Mutex::default(),
            hash_key: HashKey::new(),
            generations,
            counts: Counts::default(),
        }
    }

    /// Looks up a request with these header fields.
    pub(super) fn find(
        &self,
        key: LookupKey,
        accepts: Accepts,
        headers: &HeaderMap,
        now: Instant,
    ) -> Found {
        if accepts == Accepts::Nothing {
            return Found::Nothing;
        }
        let stored = match self.responses.get(&key) {
            Some(Entry::Stored(stored)) => stored,
            Some(Entry::NotStored { version, until }) => {
                let is_invalidated = self.generations.validity(&version) == Validity::Invalidated;
                let passes = now < until && !is_invalidated;
                return if passes { Found::NotStored } else { Found::Nothing };
            }
            None => return Found::Nothing,
        };
        if !stored.variant.matches(&self.hash_key, headers) {
            return Found::Nothing;
        }
        match (self.generations.validity(&stored.version), stored.state(now)) {
            (Validity::Invalidated, _) | (_, FreshnessState::Expired) => Found::Nothing,
            (Validity::Valid, FreshnessState::Fresh) if stored.is_accepted(accepts, now) => {
                Found::Fresh(stored)
            }
            _ if accepts != Accepts::Anything => Found::Nothing,
            (validity, _) => match stored.in_cooldown(now) {
                Some(class) => Found::InCooldown(stored, class),
                None if validity == Validity::Valid && stored.is_served_while_refreshed(now) => {
                    Found::WhileRefreshed(stored)
                }
                None => Found::Stale(stored),
            },
        }
    }

    /// A stored response that the server may confirm for a request with these header fields, however old it is. After a write, a
    /// validator with the resolution of a second may confirm what has changed since.
    pub(super) fn to_validate(
        &self,
        key: LookupKey,
        headers: &HeaderMap,
        now: SystemTime,
    ) -> Option<Arc<StoredResponse>> {
        let Some(Entry::Stored(stored)) = self.responses.get(&key) else { return None };
        let is_usable = stored.variant.matches(&self.hash_key, headers)
            && self.generations.validity(&stored.version) == Validity::Valid
            && stored.validators(now).is_some();
        is_usable.then_some(stored)
    }

    /// Whether a response that was found may still be served, stale or not.
    pub(super) fn is_usable(&self, stored: &StoredResponse, now: Instant) -> bool {
        stored.state(now) != FreshnessState::Expired
            && self.generations.validity(&stored.version) != Validity::Invalidated
    }

    /// Stores a response, unless it was invalidated meanwhile or a newer one is there.
    pub(super) fn insert(&self, key: LookupKey, stored: StoredResponse) {
        let version = stored.version.clone();
        let entry = Entry::Stored(Arc::new(stored));
        self.replace(key, version.sent_at, || {
            let is_invalidated = self.generations.validity(&version) == Validity::Invalidated;
            (!is_invalidated).then_some(entry)
        });
    }

    /// Notes that a response could not be stored.
    pub(super) fn insert_not_stored(&self, key: LookupKey, version: Version, ttl: Duration) {
        let sent_at = version.sent_at;
        let until = sent_at.checked_add(ttl.min(PASS_FOR)).unwrap_or(sent_at);
        self.replace(key, sent_at, || Some(Entry::NotStored { version, until }));
    }

    /// Notes a failure of a request that was sent at `sent_at`.
    pub(super) fn insert_failure(
        &self,
        key: LookupKey,
        sent_at: Instant,
        failure: &Classification,
        now: Instant,
    ) {
        self.replace(key, sent_at, || match AfterFailure::of(failure.class()) {
            // The entry keeps responses to earlier requests out of the store.
            AfterFailure::Remove => {
                Some(Entry::NotStored { version: Version::untagged(sent_at), until: sent_at })
            }
            AfterFailure::ServeStale => {
                if let Some(Entry::Stored(stored)) = self.responses.get(&key) {
                    stored.begin_cooldown(failure, now);
                }
                None
            }
        });
    }

    /// Evicts now what exceeds the bound.
    pub(super) fn settle(&self) {
        self.responses.run_pending_tasks();
    }

    pub(super) fn clear(&self) {
        self.generations.invalidate_all();
        self.responses.invalidate_all();
        self.settle();
    }

    /// The number of entries, and their bytes.
    pub(super) fn size(&self) -> (u64, u64) {
        self.settle();
        (self.responses.entry_count(), self.responses.weighted_size())
    }

    /// Replaces an entry, unless it is about a request that was sent later.
    fn replace(&self, key: LookupKey, sent_at: Instant, entry: impl FnOnce() -> Option<Entry>) {
        let writing = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        let is_newest = self.responses.get(&key).is_none_or(|entry| entry.sent_at() <= sent_at);
        if let Some(entry) = is_newest.then(entry).flatten() {
            self.responses.insert(key, entry);
        }
        drop(writing);
    }
}

// === impl Entry ===

impl Entry {
    fn sent_at(&self) -> Instant {
        match self {
            Self::Stored(stored) => stored.version.sent_at,
            Self::NotStored { version, .. } => version.sent_at,
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Stored(stored) => stored.weight(),
            // At most the least weight of a stored response.
            Self::NotStored { version, .. } => 1024 + version.bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use bytes::Bytes;

    use super::*;
    use crate::response_cache::{
        key::Variant, store_policy::StorePolicy, stored::CompleteResponse,
    };

    /// The resident memory of this process, where Linux tells it.
    fn resident() -> Option<u64> {
        let text = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)
    }

    /// By the cache's own count, and by the memory of the process, in which other tests run. Without a bound it would be a
    /// gigabyte.
    #[test]
    fn a_million_profiles_stay_under_the_bound() {
        const BOUND: u64 = 8 << 20;
        let (head, ()) = http::Response::new(()).into_parts();
        let policy = StorePolicy {
            ttl: Duration::from_secs(60),
            stale_for: Duration::ZERO,
            override_no_store: false,
            strip_set_cookie: false,
        };
        let lifetime = policy.lifetime(head.status, &head.headers, SystemTime::UNIX_EPOCH).unwrap();
        let body = Bytes::from_static(&[b'x'; 300]);
        let response = CompleteResponse { head, body, trailers: None, variant: None };
        let (sent_at, before) = (Instant::now(), resident());
        let store = Store::new(BOUND);
        let (mut counted, mut taken) = (0, None);
        for user in 1..=1_000_000_u64 {
            let version = store.generations.version(sent_at, []);
            let stored = StoredResponse::new(&response, Variant::default(), lifetime, version);
            // Spread as hashes are.
            let key = LookupKey(u128::from(user.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            store.insert(key, stored);
            // A fetch does this at its end. Here it would take longer than all else.
            if user % 16 == 0 {
                store.settle();
                counted = counted.max(store.responses.weighted_size());
            }
            if user % 100_000 == 0 {
                taken = taken.max(resident());
            }
        }
        assert!(counted > BOUND / 2 && counted <= BOUND, "{counted}");
        if let (Some(before), Some(taken)) = (before, taken) {
            assert!(taken <= before + 4 * BOUND, "{before} and then {taken}");
        }
    }
}
