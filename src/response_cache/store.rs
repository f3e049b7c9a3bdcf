//! What is kept.

use std::{
    collections::HashMap,
    fmt,
    hash::BuildHasherDefault,
    sync::{Arc, Mutex, PoisonError},
};

use http::HeaderMap;
use moka::sync::Cache;
use tokio::time::Instant;

use super::{
    request::{Asked, Wish},
    snapshot::Counts,
    in_flight::Flights,
    generations::{Generations, Marks, Standing},
    stored::Kept,
    key::{Key, KeyHasher, Secret},
    landing::Landing,
};
use crate::{classify::ErrorClass, response_cache::ShelfState};

/// What the clones of a layer, its services and its handles share.
pub(super) struct Store {
    /// It bounds the bytes and knows no time: how long something is used, is said by [`Kept`].
    pub(super) cache: Cache<Key, Entry, BuildHasherDefault<KeyHasher>>,
    flights: Mutex<HashMap<Key, Landing>>,
    pub(super) secret: Secret,
    pub(super) generations: Generations,
    pub(super) counts: Counts,
}

/// What is known of a key.
#[derive(Clone)]
pub(super) enum Entry {
    Kept(Arc<Kept>),
    /// Its last response could not be kept, so that nothing is gained by one request waiting for another.
    Unkept {
        asked: Instant,
        until: Instant,
        marks: Marks,
    },
}

/// What there is for a request.
pub(super) enum Found {
    /// Its response.
    Fresh(Arc<Kept>),
    /// Its response, if nothing better can be had: the server refuses or is out, and is not asked again yet.
    Held(Arc<Kept>, ErrorClass),
    /// The same, and the server may be asked.
    Stale(Arc<Kept>),
    /// What the server sends is not kept.
    Unkept,
    Nothing,
}

// === impl Store ===

impl Store {
    pub(super) fn new(max_bytes: u64) -> Self {
        let generations = Generations::new(max_bytes);
        let cache = Cache::builder()
            .max_capacity(max_bytes.saturating_sub(generations.bytes()))
            .weigher(|_, entry: &Entry| u32::try_from(entry.weight()).unwrap_or(u32::MAX))
            .build_with_hasher(BuildHasherDefault::default());
        Self {
            cache,
            flights: Mutex::default(),
            secret: Secret::new(),
            generations,
            counts: Counts::default(),
        }
    }

    /// What there is for a request with these headers.
    pub(super) fn find(&self, asked: &Asked, headers: &HeaderMap, now: Instant) -> Found {
        if asked.wish == Wish::New {
            return Found::Nothing;
        }
        let kept = match self.cache.get(&asked.key) {
            Some(Entry::Kept(kept)) => kept,
            Some(Entry::Unkept { until, marks, .. }) => {
                let holds = now < until && self.generations.standing(&marks) != Standing::Gone;
                return if holds { Found::Unkept } else { Found::Nothing };
            }
            None => return Found::Nothing,
        };
        if !kept.variant.is_of(&self.secret, headers) {
            return Found::Nothing;
        }
        match (self.generations.standing(&kept.marks), kept.state(now)) {
            (Standing::Gone, _) | (_, ShelfState::Expired) => Found::Nothing,
            (Standing::Current, ShelfState::Fresh) if asked.wish.is_met_by(&kept, now) => {
                Found::Fresh(kept)
            }
            _ if asked.wish != Wish::Anything => Found::Nothing,
            (Standing::Current | Standing::Doubted, _) => match kept.hold.at(now) {
                Some(class) => Found::Held(kept, class),
                None => Found::Stale(kept),
            },
        }
    }

    /// Whether a response that was found may still be served, stale or not.
    pub(super) fn is_usable(&self, kept: &Kept, now: Instant) -> bool {
        kept.state(now) != ShelfState::Expired
            && self.generations.standing(&kept.marks) != Standing::Gone
    }

    /// Locks the flights. What is kept changes with this locked alone.
    pub(super) fn flights(&self) -> Flights<'_> {
        let under_way = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        Flights::new(self, under_way)
    }

    /// Has the bound hold now, not only soon.
    pub(super) fn settle(&self) {
        self.cache.run_pending_tasks();
    }

    pub(super) fn clear(&self) {
        self.generations.invalidate_all();
        self.cache.invalidate_all();
        self.settle();
    }

    /// The number of entries, and the bytes that they take.
    pub(super) fn size(&self) -> (u64, u64) {
        self.settle();
        (self.cache.entry_count(), self.cache.weighted_size())
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("counts", &self.counts).finish_non_exhaustive()
    }
}

// === impl Entry ===

impl Entry {
    pub(super) fn asked(&self) -> Instant {
        match self {
            Self::Kept(kept) => kept.asked,
            Self::Unkept { asked, .. } => *asked,
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Kept(kept) => kept.weight(),
            // No more than the least of the others.
            Self::Unkept { marks, .. } => 1024 + marks.bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use bytes::Bytes;

    use super::*;
    use crate::response_cache::{KeepRules, ShelfLife, variant::Variant};

    /// What this process takes, where Linux says it.
    fn resident() -> Option<u64> {
        let text = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)
    }

    /// By the cache's own books, and by what the process takes, in which other tests run. All of them would be a gigabyte.
    #[test]
    fn a_million_profiles_stay_under_the_bound() {
        const BOUND: u64 = 8 << 20;
        let (head, ()) = http::Response::new(()).into_parts();
        let (rules, start) = (KeepRules::new(Duration::from_secs(60)), SystemTime::UNIX_EPOCH);
        let life = ShelfLife::of_response(&rules, head.status, &head.headers, start).unwrap();
        let body = Bytes::from_static(&[b'x'; 300]);
        let (asked, before) = (Instant::now(), resident());
        let store = Store::new(BOUND);
        let (mut books, mut taken) = (0, None);
        for user in 1..=1_000_000_u64 {
            let marks = store.generations.mark([]);
            let kept = Kept::new(&head, &body, None, life, asked, marks, Variant::default());
            // Spread as hashes are.
            let key = Key(u128::from(user.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            store.flights().keep(key, Arc::new(kept));
            // A flight does this at its end. Here it would take longer than all else.
            if user % 16 == 0 {
                store.settle();
                books = books.max(store.cache.weighted_size());
            }
            if user % 100_000 == 0 {
                taken = taken.max(resident());
            }
        }
        assert!(books > BOUND / 2 && books <= BOUND, "{books}");
        if let (Some(before), Some(taken)) = (before, taken) {
            assert!(taken <= before + 4 * BOUND, "{before} and then {taken}");
        }
    }
}
