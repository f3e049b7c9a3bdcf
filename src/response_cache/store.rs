//! What is kept, and the flights that are under way.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::HeaderMap;
use moka::sync::Cache;
use tokio::time::Instant;

use super::{
    flight::Landing,
    generations::{Generations, Marks, Standing},
    kept::Kept,
    key::{Key, Secret},
};
use crate::policy::{AfterFailure, Classification, ErrorClass, ShelfState};

/// For how long an endpoint's request that brought nothing to keep lets the next ones go by themselves.
const UNKEPT_FOR: Duration = Duration::from_secs(60);

/// What the clones of a layer, its services and its handles share.
pub(super) struct Store {
    /// It bounds the bytes and knows no time: how long something is used, is said by [`Kept`].
    cache: Cache<Key, Entry>,
    flights: Mutex<HashMap<Key, Landing>>,
    pub(super) secret: Secret,
    pub(super) generations: Generations,
    pub(super) counts: Counts,
}

/// What is known of a key.
#[derive(Clone, Debug)]
enum Entry {
    Kept(Arc<Kept>),
    /// Its last response could not be kept, so that nothing is gained by one request waiting for another.
    Unkept {
        asked: Instant,
        until: Instant,
        marks: Marks,
    },
}

/// What there is for a request.
#[derive(Debug)]
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

/// How often what happened, since the layer was made.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) shared: AtomicU64,
    pub(super) stale: AtomicU64,
}

/// The flights, for one that begins or ends.
pub(super) struct Flights<'a> {
    store: &'a Store,
    under_way: MutexGuard<'a, HashMap<Key, Landing>>,
}

// === impl Store ===

impl Store {
    pub(super) fn new(max_bytes: u64) -> Self {
        let generations = Generations::new(max_bytes);
        let cache = Cache::builder()
            .max_capacity(max_bytes.saturating_sub(generations.bytes()))
            .weigher(|_, entry: &Entry| u32::try_from(entry.weight()).unwrap_or(u32::MAX))
            .build();
        Self {
            cache,
            flights: Mutex::default(),
            secret: Secret::new(),
            generations,
            counts: Counts::default(),
        }
    }

    /// What there is for a request with these headers, that accepts nothing older than `max_age`.
    pub(super) fn find(
        &self,
        key: &Key,
        headers: &HeaderMap,
        max_age: Option<Duration>,
        now: Instant,
    ) -> Found {
        let kept = match self.cache.get(key) {
            Some(Entry::Kept(kept)) => kept,
            Some(Entry::Unkept { until, marks, .. }) => {
                let holds = now < until && self.generations.standing(&marks) != Standing::Gone;
                return if holds { Found::Unkept } else { Found::Nothing };
            }
            None => return Found::Nothing,
        };
        let is_too_old = max_age.is_some_and(|max_age| kept.age(now) > max_age);
        if is_too_old || !kept.is_for(&self.secret, headers) {
            return Found::Nothing;
        }
        match (self.generations.standing(&kept.marks), kept.state(now)) {
            (Standing::Gone, _) | (_, ShelfState::Expired) => Found::Nothing,
            (Standing::Current, ShelfState::Fresh) => Found::Fresh(kept),
            (Standing::Current | Standing::Doubted, _) => match kept.held(now) {
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
        Flights { store: self, under_way }
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

// === impl Flights ===

impl Flights<'_> {
    /// The flight of a key, if one is under way that was not overtaken by an invalidation.
    pub(super) fn under_way(&self, key: &Key, now: Instant) -> Option<Landing> {
        let landing = self.under_way.get(key).filter(|landing| landing.is_expected(now))?;
        let standing = self.store.generations.standing(landing.marks());
        (standing == Standing::Current).then(|| landing.clone())
    }

    pub(super) fn begin(&mut self, key: Key, landing: Landing) {
        self.under_way.insert(key, landing);
    }

    /// Takes note that a flight has ended. Another may have taken its place since.
    pub(super) fn end(&mut self, key: &Key, is_it: impl FnOnce(&Landing) -> bool) {
        if self.under_way.get(key).is_some_and(is_it) {
            self.under_way.remove(key);
        }
    }

    /// Keeps a response, unless one that was asked for later is there, or it was invalidated on its way.
    pub(super) fn keep(&self, key: Key, kept: Arc<Kept>) {
        let standing = self.store.generations.standing(&kept.marks);
        if standing != Standing::Gone && self.is_newest(&key, kept.asked) {
            self.store.cache.insert(key, Entry::Kept(kept));
        }
    }

    /// Takes note that a response is not to be kept.
    pub(super) fn keep_nothing(&self, key: Key, asked: Instant, ttl: Duration, marks: Marks) {
        if self.is_newest(&key, asked) {
            let until = asked.checked_add(ttl.min(UNKEPT_FOR)).unwrap_or(asked);
            self.store.cache.insert(key, Entry::Unkept { asked, until, marks });
        }
    }

    /// What a failure means for what is kept.
    pub(super) fn fail(&self, key: Key, asked: Instant, failure: &Classification, now: Instant) {
        if !self.is_newest(&key, asked) {
            return;
        }
        match AfterFailure::of(failure.class()) {
            AfterFailure::Forget => {
                // What was asked for earlier and is still on its way is not to bring it back: this says so, and nothing else.
                let gone = Entry::Unkept { asked, until: asked, marks: Marks::none() };
                self.store.cache.insert(key, gone);
            }
            AfterFailure::ServeStale => {
                if let Some(Entry::Kept(kept)) = self.store.cache.get(&key) {
                    kept.hold(failure, now);
                }
            }
        }
    }

    fn is_newest(&self, key: &Key, asked: Instant) -> bool {
        self.store.cache.get(key).is_none_or(|entry| entry.asked() <= asked)
    }
}

// === impl Entry ===

impl Entry {
    fn asked(&self) -> Instant {
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

// === impl Counts ===

impl Counts {
    pub(super) fn add(count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}
