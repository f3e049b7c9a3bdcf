//! The slots of all keys.

use std::{
    collections::BTreeMap,
    fmt,
    hash::{BuildHasher, RandomState},
    num::NonZeroUsize,
    ops::Deref,
    sync::{
        Arc, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use http::HeaderName;
use tower::util::BoxCloneService;

use super::{
    TimePair, Token, TokenKey, TokenRequest,
    cached::time_pair,
    charges::Charges,
    config::Settings,
    eviction::{self, Evictions},
    gate::Gate,
    loom_sync::{Mutex, MutexGuard},
    protection::Remembered,
    slot::{NO_PLACE, Slot},
};
use crate::{BoxError, clock::Clock, jitter};

/// A source of tokens of any type. It is called on the slow path only.
pub(super) type Source = BoxCloneService<TokenRequest, Token, BoxError>;

/// Slots are found by 13 bits of their hash, the first ones for a shard, which is made for its first key.
const SHARDS: usize = 64;
const BUCKETS: usize = 128;

/// The slots with one part of the hash: at ten thousand keys one or two. The list is replaced as a whole.
type Bucket = ArcSwapOption<Vec<Arc<Slot>>>;

/// The number of clients whose gates are remembered without a slot.
const MAX_GATES: usize = 1024;

/// How many gates are compared when there are too many.
const SAMPLES: usize = 8;

/// The slots of all keys, and the source of their tokens.
pub(super) struct Slots {
    /// Read without a lock. Stored to under the lock of `writer`.
    shards: [OnceLock<Box<[Bucket]>>; SHARDS],
    hasher: RandomState,
    writer: Mutex<Writer>,
    /// Counts the lookups of another slot than the last.
    uses: AtomicU64,
    /// Which endpoints reject all tokens.
    charges: Charges,
    /// The field that the source's last token was in.
    field: ArcSwapOption<HeaderName>,
    /// Behind a lock because a source need not be `Sync`.
    source: Mutex<Source>,
}

/// What changes with the keys.
#[derive(Default)]
struct Writer {
    /// The slots of keys that only requests name.
    evictable: Vec<Arc<Slot>>,
    /// How many services and endpoints name the key, by its hash. Their slots stay.
    owners: BTreeMap<u64, usize>,
    remembered: Remembered,
    gates: BTreeMap<u64, Arc<Gate>>,
    evictions: Evictions,
}

/// The slot of a key that a service or an endpoint names, for as long as that exists.
pub(super) struct OwnSlot {
    slot: Arc<Slot>,
    slots: Arc<Slots>,
    max_keys: NonZeroUsize,
    clock: Clock,
    stack: Option<Arc<str>>,
}

// === impl Slots ===

impl Slots {
    /// `field` is the one that its tokens are in, if that is known before the first one.
    pub(super) fn new(source: Source, field: Option<HeaderName>) -> Self {
        Self {
            shards: [const { OnceLock::new() }; SHARDS],
            hasher: RandomState::new(),
            writer: Mutex::new(Writer::default()),
            // A slot begins with zero, which is then never the count of the last use.
            uses: AtomicU64::new(1),
            charges: Charges::default(),
            field: ArcSwapOption::from_pointee(field),
            source: Mutex::new(source),
        }
    }

    /// The slot of `key`, which is made if there is none. Then others may be evicted for it.
    pub(super) fn of(
        &self,
        key: &TokenKey,
        max_keys: NonZeroUsize,
        stack: Option<&str>,
        now: impl FnOnce() -> TimePair,
    ) -> Arc<Slot> {
        let hash = self.hasher.hash_one(key);
        let slot =
            self.get(hash, key).unwrap_or_else(|| self.insert(hash, key, max_keys, stack, &now()));
        slot.touch(&self.uses);
        slot
    }

    /// The slot of a key that a service or an endpoint names: it is not evicted, and does not count.
    pub(super) fn own(self: &Arc<Self>, key: &TokenKey, settings: &Settings) -> OwnSlot {
        let hash = self.hasher.hash_one(key);
        let mut writer = self.lock();
        let slot = self.get(hash, key).unwrap_or_else(|| self.make(&mut writer, hash, key));
        *writer.owners.entry(hash).or_default() += 1;
        writer.remove(slot.place.load(Ordering::Relaxed));
        drop(writer);
        slot.touch(&self.uses);
        let Settings { max_keys, clock, .. } = settings;
        OwnSlot {
            slot,
            slots: Arc::clone(self),
            max_keys: *max_keys,
            clock: clock.clone(),
            stack: settings.endpoints.stack().cloned(),
        }
    }

    /// The slot of `key`, if there is one. This is no use of it.
    pub(super) fn find(&self, key: &TokenKey) -> Option<Arc<Slot>> {
        self.get(self.hasher.hash_one(key), key)
    }

    /// All slots, in the order of their keys.
    pub(super) fn all(&self) -> Vec<Arc<Slot>> {
        let buckets = self.shards.iter().filter_map(OnceLock::get).flat_map(|shard| &**shard);
        let mut all: Vec<_> = buckets
            .filter_map(ArcSwapOption::load_full)
            .flat_map(|bucket| bucket.iter().map(Arc::clone).collect::<Vec<_>>())
            .collect();
        all.sort_by(|one, other| one.key().cmp(other.key()));
        all
    }

    pub(super) const fn charges(&self) -> &Charges {
        &self.charges
    }

    /// The field that the source's last token was in; none before the first.
    pub(super) fn field(&self) -> Option<Arc<HeaderName>> {
        self.field.load_full()
    }

    /// Notes the field that a token is in.
    pub(super) fn note_field(&self, name: &HeaderName) {
        if self.field.load().as_deref() != Some(name) {
            self.field.store(Some(Arc::new(name.clone())));
        }
    }

    pub(super) const fn hasher(&self) -> &RandomState {
        &self.hasher
    }

    pub(super) fn source(&self) -> Source {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[inline]
    fn get(&self, hash: u64, key: &TokenKey) -> Option<Arc<Slot>> {
        let (shard, bucket) = place(hash);
        let bucket = self.shards.get(shard)?.get()?.get(bucket)?.load();
        let slot = bucket.as_ref()?.iter().find(|slot| slot.hash() == hash && **slot.key() == *key);
        slot.map(Arc::clone)
    }

    fn bucket(&self, hash: u64) -> Option<&Bucket> {
        let (shard, bucket) = place(hash);
        let empty = || (0..BUCKETS).map(|_| Bucket::empty()).collect();
        self.shards.get(shard)?.get_or_init(empty).get(bucket)
    }

    #[cold]
    fn insert(
        &self,
        hash: u64,
        key: &TokenKey,
        max_keys: NonZeroUsize,
        stack: Option<&str>,
        now: &TimePair,
    ) -> Arc<Slot> {
        let mut writer = self.lock();
        if let Some(slot) = self.get(hash, key) {
            return slot;
        }
        let slot = self.make(&mut writer, hash, key);
        let count = self.evict(&mut writer, 1, max_keys, now);
        writer.push(Arc::clone(&slot));
        drop(writer);
        if let Some(evicted) = count {
            eviction::log(stack, max_keys, evicted);
        }
        slot
    }

    fn make(&self, writer: &mut Writer, hash: u64, key: &TokenKey) -> Arc<Slot> {
        let gate = writer.gate(key.client_hash(&self.hasher));
        let protection = writer.remembered.take(hash);
        let slot = Arc::new(Slot::new(Arc::new(key.clone()), hash, gate, protection));
        self.change(hash, |bucket| bucket.push(Arc::clone(&slot)));
        slot
    }

    /// Makes room for so many slots more. The number of good tokens evicted of late, if that is to be logged.
    fn evict(
        &self,
        writer: &mut Writer,
        more: usize,
        max_keys: NonZeroUsize,
        now: &TimePair,
    ) -> Option<u64> {
        let mut to_log = None;
        // One, and one more for each call that comes while there are too many, because all were in use.
        let excess = (writer.evictable.len() + more).saturating_sub(max_keys.get());
        for _ in 0..excess.min(2) {
            let uses = self.uses.load(Ordering::Relaxed);
            let Some((place, is_good)) = eviction::choose(&writer.evictable, uses, max_keys, now)
            else {
                break;
            };
            let Some(slot) = writer.remove(place) else { break };
            self.change(slot.hash(), |bucket| bucket.retain(|other| !Arc::ptr_eq(other, &slot)));
            writer.remembered.keep(slot.hash(), slot.lock().take_protection(), now);
            if is_good {
                to_log = writer.evictions.count(now.instant()).or(to_log);
            }
        }
        to_log
    }

    /// Changes a bucket. The writer is locked.
    fn change(&self, hash: u64, change: impl FnOnce(&mut Vec<Arc<Slot>>)) {
        let Some(bucket) = self.bucket(hash) else { return };
        let mut next = bucket.load_full().map_or_else(Vec::new, |slots| slots.to_vec());
        change(&mut next);
        bucket.store((!next.is_empty()).then(|| Arc::new(next)));
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The shard and the bucket of a hash.
#[allow(clippy::cast_possible_truncation, reason = "a few bits are meant")]
const fn place(hash: u64) -> (usize, usize) {
    (hash as usize % SHARDS, hash as usize / SHARDS % BUCKETS)
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

// === impl Writer ===

impl Writer {
    /// Lets a slot be evicted.
    fn push(&mut self, slot: Arc<Slot>) {
        slot.place.store(self.evictable.len(), Ordering::Relaxed);
        self.evictable.push(slot);
    }

    /// Takes the slot at this place out of those that may be evicted; none if there is none.
    fn remove(&mut self, place: usize) -> Option<Arc<Slot>> {
        if place >= self.evictable.len() {
            return None;
        }
        let slot = self.evictable.swap_remove(place);
        slot.place.store(NO_PLACE, Ordering::Relaxed);
        if let Some(moved) = self.evictable.get(place) {
            moved.place.store(place, Ordering::Relaxed);
        }
        Some(slot)
    }

    fn gate(&mut self, client: u64) -> Arc<Gate> {
        if let Some(gate) = self.gates.get(&client) {
            return Arc::clone(gate);
        }
        if self.gates.len() >= MAX_GATES {
            self.forget_a_gate();
        }
        let gate = Arc::new(Gate::new());
        self.gates.insert(client, Arc::clone(&gate));
        gate
    }

    /// Forgets one that no slot uses: those of slots are as many as the slots are.
    fn forget_a_gate(&mut self) {
        let from = jitter::bits();
        let sample = self.gates.range(from..).chain(self.gates.range(..from)).take(SAMPLES);
        let unused = sample.filter(|(_, gate)| Arc::strong_count(gate) == 1);
        let first = unused.min_by_key(|(_, gate)| gate.last_failure()).map(|(client, _)| *client);
        first.and_then(|client| self.gates.remove(&client));
    }
}

// === impl OwnSlot ===

impl Deref for OwnSlot {
    type Target = Arc<Slot>;

    fn deref(&self) -> &Arc<Slot> {
        &self.slot
    }
}

impl fmt::Debug for OwnSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.slot.fmt(f)
    }
}

impl Drop for OwnSlot {
    fn drop(&mut self) {
        let mut writer = self.slots.lock();
        let Some(owners) = writer.owners.get_mut(&self.slot.hash()) else { return };
        *owners -= 1;
        if *owners > 0 {
            return;
        }
        writer.owners.remove(&self.slot.hash());
        writer.push(Arc::clone(&self.slot));
        if writer.evictable.len() <= self.max_keys.get() {
            return;
        }
        drop(writer);
        let now = time_pair(&self.clock);
        let evicted = self.slots.evict(&mut self.slots.lock(), 0, self.max_keys, &now);
        if let Some(evicted) = evicted {
            eviction::log(self.stack.as_deref(), self.max_keys, evicted);
        }
    }
}
