//! Which endpoints respond 401 whatever the token.
//!
//! A 401 to a token that has just replaced another one is evidence against the endpoint and not against the token. Such an endpoint's
//! 401s cause no fetches for a while: of the key that met it, and of all keys once several have met it in a row.

use std::{
    collections::BTreeMap,
    sync::{
        PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::loom_sync::{Mutex, MutexGuard};

/// The first time for which one key's fetches are not caused by an endpoint; it doubles up to the longest.
const FIRST: Duration = Duration::from_secs(60);

/// The same for all keys: short, because one of them may have been revoked in truth.
const FIRST_OF_ALL: Duration = Duration::from_secs(30);

const LONGEST: Duration = Duration::from_secs(60 * 60);
const LONGEST_OF_ALL: Duration = Duration::from_secs(5 * 60);

/// How many keys in a row charge an endpoint for all keys.
const KEYS: usize = 3;

/// The number of endpoints, and of endpoints of one key, that are remembered. When full, the one that ends first is forgotten.
const MAX_ENTRIES: usize = 1024;

/// The endpoints of all keys.
#[derive(Default)]
pub(super) struct Charges {
    state: Mutex<State>,
    /// Whether there is one, or was lately.
    any: AtomicBool,
}

#[derive(Default)]
struct State {
    /// By the hash of the endpoint, and of the endpoint and the key.
    charges: BTreeMap<(u64, Option<u64>), Charge>,
    /// Until when some endpoint is charged for all keys.
    of_all_until: Option<Instant>,
}

struct Charge {
    /// The keys that met it, for one of all keys.
    keys: Vec<u64>,
    times: u32,
    until: Instant,
    /// When it is forgotten.
    ends: Instant,
}

// === impl Charges ===

impl Charges {
    /// Whether a 401 of `endpoint` to a token of `key` causes no fetch now. When a charge of all keys ends, one call finds out whether
    /// it still holds.
    pub(super) fn is_charged(&self, endpoint: u64, key: u64, now: Instant) -> bool {
        if !self.has_any() {
            return false;
        }
        let mut state = self.lock();
        if state.charges.get(&(endpoint, Some(key))).is_some_and(|charge| now < charge.until) {
            return true;
        }
        match state.charges.get_mut(&(endpoint, None)) {
            Some(charge) if charge.keys.len() < KEYS => false,
            Some(charge) if now < charge.until => true,
            Some(charge) => {
                charge.until = now + FIRST_OF_ALL;
                false
            }
            None => false,
        }
    }

    /// Whether some endpoint rejects the tokens of all keys.
    pub(super) fn is_any_of_all(&self, now: Instant) -> bool {
        self.has_any() && self.lock().of_all_until.is_some_and(|until| now < until)
    }

    /// A new token of `key` was rejected by `endpoint` as well.
    pub(super) fn in_vain(&self, endpoint: u64, key: u64, now: Instant) {
        self.any.store(true, Ordering::Relaxed);
        let mut state = self.lock();
        state.charge((endpoint, Some(key)), FIRST, LONGEST, now);
        state.make_room((endpoint, None));
        let charge = state.charges.entry((endpoint, None)).or_insert_with(|| Charge::new(now));
        let keys = &mut charge.keys;
        if !keys.contains(&key) && keys.len() < KEYS {
            keys.push(key);
        }
        if keys.len() == KEYS {
            let until = state.charge((endpoint, None), FIRST_OF_ALL, LONGEST_OF_ALL, now);
            state.of_all_until = state.of_all_until.max(Some(until));
        }
    }

    /// A new token of `key` was accepted by `endpoint`: the one before was at fault.
    pub(super) fn accepted(&self, endpoint: u64, key: u64) {
        if self.has_any() {
            let mut state = self.lock();
            state.charges.remove(&(endpoint, Some(key)));
            state.charges.remove(&(endpoint, None));
        }
    }

    /// Whether an endpoint was charged of late.
    pub(super) fn has_any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Forgets what has ended. For the slow path.
    pub(super) fn purge(&self, now: Instant) {
        if self.has_any() {
            let mut state = self.lock();
            state.charges.retain(|_, charge| now < charge.ends);
            self.any.store(!state.charges.is_empty(), Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    /// Forgets the one that ends first if there is no room for a new one.
    fn make_room(&mut self, entry: (u64, Option<u64>)) {
        if self.charges.len() >= MAX_ENTRIES && !self.charges.contains_key(&entry) {
            let soonest = self.charges.iter().min_by_key(|(_, charge)| charge.ends);
            let soonest = soonest.map(|(entry, _)| *entry);
            soonest.and_then(|soonest| self.charges.remove(&soonest));
        }
    }

    fn charge(
        &mut self,
        entry: (u64, Option<u64>),
        first: Duration,
        longest: Duration,
        now: Instant,
    ) -> Instant {
        self.make_room(entry);
        let charge = self.charges.entry(entry).or_insert_with(|| Charge::new(now));
        let span = first.saturating_mul(2_u32.saturating_pow(charge.times)).min(longest);
        charge.times = charge.times.saturating_add(1).min(16);
        charge.until = now + span;
        charge.ends = charge.until + span;
        charge.until
    }
}

// === impl Charge ===

impl Charge {
    fn new(now: Instant) -> Self {
        Self { keys: Vec::new(), times: 0, until: now, ends: now + FIRST }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_38_one_key_charges_an_endpoint_for_itself_and_three_for_all() {
        let (charges, now) = (Charges::default(), Instant::now());
        assert!(!charges.is_charged(1, 10, now));
        charges.in_vain(1, 10, now);
        assert!(charges.is_charged(1, 10, now) && !charges.is_charged(2, 10, now));
        assert!(!charges.is_charged(1, 11, now), "another key may be revoked");
        charges.in_vain(1, 11, now);
        charges.in_vain(1, 11, now);
        assert!(!charges.is_charged(1, 12, now) && !charges.is_any_of_all(now));
        charges.in_vain(1, 12, now);
        assert!(charges.is_charged(1, 13, now) && charges.is_any_of_all(now));
        // When it ends, one finds out.
        let later = now + FIRST_OF_ALL;
        assert!(!charges.is_charged(1, 13, later) && charges.is_charged(1, 14, later));
        charges.accepted(1, 13);
        assert!(!charges.is_charged(1, 14, later));
    }

    #[test]
    fn rule_38_every_charge_ends_and_their_number_is_bounded() {
        let (charges, now) = (Charges::default(), Instant::now());
        for _ in 0..20 {
            charges.in_vain(1, 10, now);
        }
        assert!(charges.is_charged(1, 10, now + LONGEST - FIRST));
        assert!(!charges.is_charged(1, 10, now + LONGEST));
        for endpoint in 0..5000 {
            charges.in_vain(endpoint, 10, now);
        }
        assert!(charges.lock().charges.len() <= MAX_ENTRIES);
        charges.purge(now + 3 * LONGEST);
        assert!(!charges.has_any());
    }
}
