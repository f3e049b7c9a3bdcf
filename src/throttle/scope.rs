//! Whose limit a response shows: its own route's, until the evidence says that it is all routes'.

use std::{hash::BuildHasher, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{admission::Indexes, keys::Table, limiter::Observation};

/// Rejections on two routes within this time come from one limit.
const TOGETHER: Duration = Duration::from_secs(60);

/// The most counters of a slot that are remembered.
const MAX_COUNTERS: usize = 8;

/// Which routes the limit of a slot holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Holds {
    /// No response has shown a limit.
    #[default]
    Nothing,
    /// Only responses on this route have.
    Route(u64),
    All,
}

/// What responses have shown of a slot's limit.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) holds: Holds,
    /// The counters that were shown, with their limits.
    counters: Vec<(u64, Option<u64>)>,
    /// The route and the time of the last rejection that no counter explains.
    rejected: Option<(u64, Instant)>,
    /// Whether the layer was configured to count the requests of this slot together.
    pub(super) is_configured: bool,
    /// Of a route's own slot: the hash of its key, where the slot of all other routes is.
    key: Option<u64>,
}

// === impl Scope ===

impl Scope {
    /// Whether the limit is known to be another route's only.
    pub(super) fn is_of_other(&self, route: u64) -> bool {
        matches!(self.holds, Holds::Route(owner) if owner != route)
    }

    pub(super) fn forget(&mut self) {
        self.holds = Holds::Nothing;
        self.counters.clear();
        self.rejected = None;
    }

    fn knows(&self, seen: &Observation) -> bool {
        seen.readings
            .iter()
            .flatten()
            .any(|reading| self.counters.contains(&(reading.name, reading.limit)))
    }

    fn learn(&mut self, seen: &Observation) {
        for reading in seen.readings.iter().flatten() {
            let counter = (reading.name, reading.limit);
            if !self.counters.contains(&counter) {
                self.counters.truncate(MAX_COUNTERS - 1);
                self.counters.insert(0, counter);
            }
        }
    }

    /// The route of the last rejection, if it is another one and not long ago.
    fn rejected_with(&self, route: u64, now: Instant) -> Option<u64> {
        let (other, at) = self.rejected?;
        (other != route && now.saturating_duration_since(at) < TOGETHER).then_some(other)
    }
}

// === impl Table ===

impl Table<'_> {
    /// Attributes the limit that a response shows. Returns the slot of another bucket, if the request was counted there.
    #[inline]
    pub(super) fn attribute(
        &mut self,
        at: Indexes,
        route: u64,
        seen: &Observation,
    ) -> Option<usize> {
        let shows = seen.readings[0].is_some();
        let is_configured = |table: &mut Self, index| table.slot(index).scope.is_configured;
        if !(shows || seen.is_rejection())
            || is_configured(self, at.key)
            || is_configured(self, at.slot)
        {
            return None;
        }
        let key = self.key_of(at.key);
        let shared = self.shared_slot(key, at.slot);
        let index = match shared {
            Some(shared) => shared,
            None if at.slot == at.key => at.key,
            None => return None,
        };
        let now = self.now();
        let scope = &mut self.slot(index).scope;
        let is_known = shows && scope.knows(seen);
        let is_bare = seen.is_rejection() && !shows;
        let with = scope.rejected_with(route, now).filter(|_| is_bare);
        if is_bare {
            scope.rejected = Some((route, now));
        }
        let before = scope.holds;
        let holds = match before {
            Holds::Nothing if shared.is_none() => {
                return self.first_limit(index, route, with, seen);
            }
            Holds::Nothing => Holds::All,
            Holds::Route(owner) if owner == route => Holds::Route(route),
            Holds::Route(_) if is_known || with.is_some() => Holds::All,
            // Of a limit that shows a counter, no response shows another, and no rejection leaves units.
            Holds::All if is_known || with.is_some() || scope.counters.is_empty() => Holds::All,
            Holds::Route(_) | Holds::All => return self.set_apart(key, route, seen),
        };
        scope.holds = holds;
        scope.learn(seen);
        if holds != before && index != key && self.slot(key).scope.holds == Holds::Nothing {
            self.share(key, index);
        }
        Some(index)
    }

    /// The slot of all routes without one of their own, if this is one that was split off.
    fn key_of(&mut self, index: usize) -> usize {
        let key = self.slot(index).scope.key;
        key.and_then(|hash| self.index_of(hash)).unwrap_or(index)
    }

    /// The slot that all routes without one of their own share with the route that it was made for, if `slot` is that one or the
    /// key's.
    fn shared_slot(&mut self, key: usize, slot: usize) -> Option<usize> {
        let routes = self.slot(key).routes.as_ref().filter(|routes| !routes.named)?;
        let others = routes.others.clone()?;
        if self.slot(slot).bucket.as_ref() == Some(&others) {
            return Some(slot);
        }
        let owner = self.slot(key).name.hash();
        let hash = self.random().hash_one((owner, &*others));
        self.index_of(hash).filter(|_| slot == key)
    }

    /// The limit of a slot is that of all routes.
    fn share(&mut self, key: usize, index: usize) {
        let name = self.slot(index).bucket.clone();
        self.slot(key).routes.get_or_insert_default().others = name;
        self.slot_mut(key).wake_others(None);
    }

    /// The first limit that a response of this slot shows. It may be one that was thought to be another route's.
    fn first_limit(
        &mut self,
        key: usize,
        route: u64,
        with: Option<u64>,
        seen: &Observation,
    ) -> Option<usize> {
        for index in self.bucket_indexes(key) {
            let scope = &self.slot(index).scope;
            let is_it = match scope.holds {
                Holds::Route(owner) => with == Some(owner) || scope.knows(seen),
                Holds::All => scope.knows(seen),
                Holds::Nothing => false,
            };
            if is_it {
                self.slot(index).scope.holds = Holds::All;
                self.share(key, index);
                return Some(index);
            }
        }
        let scope = &mut self.slot(key).scope;
        scope.holds = Holds::Route(route);
        scope.learn(seen);
        self.slot_mut(key).wake_others(Some(route));
        None
    }

    /// Gives a route with a limit of its own a slot for it: that of routes which show the same counter, or a new one.
    fn set_apart(&mut self, key: usize, route: u64, seen: &Observation) -> Option<usize> {
        let mut others = self.bucket_indexes(key).into_iter();
        let same = others.find(|index| self.slot(*index).scope.knows(seen));
        let name = match same.and_then(|index| self.slot(index).bucket.clone()) {
            Some(name) => name,
            None => format!("route {route:016x}").into(),
        };
        let index = self.find_bucket(key, &name)?;
        self.slot(key).routes.get_or_insert_default().set_apart(route, &name);
        let scope = &mut self.slot(index).scope;
        scope.holds = if same.is_some() { Holds::All } else { Holds::Route(route) };
        scope.learn(seen);
        Some(index)
    }

    fn bucket_indexes(&mut self, key: usize) -> Vec<usize> {
        let hashes = self.slot(key).routes.as_ref().map(|routes| routes.buckets.clone());
        hashes.unwrap_or_default().into_iter().filter_map(|hash| self.index_of(hash)).collect()
    }

    /// The server has said that a limit is for all routes.
    pub(super) fn holds_all(&mut self, key: usize) {
        self.slot(key).scope.holds = Holds::All;
    }

    /// Takes a request out of a slot whose limit is another route's. Returns the slot for all other routes.
    pub(super) fn move_on(&mut self, from: usize, route: u64) -> Option<usize> {
        let scope = &self.slot(from).scope;
        if !scope.is_of_other(route) {
            return None;
        }
        let to = match scope.key {
            Some(key) => self.index_of(key)?,
            None => self.split(from)?,
        };
        self.retain(to);
        self.release(from);
        Some(to)
    }

    /// Leaves the slot of a key, with its queue, to the one route whose limit it has. All other routes get a new one.
    fn split(&mut self, old: usize) -> Option<usize> {
        let Holds::Route(route) = self.slot(old).scope.holds else { return None };
        let key = self.slot(old).name.clone();
        let quota = self.slot(old).quota.sibling();
        let new = self.insert(key.clone(), quota)?;
        let name: Arc<str> = format!("route {route:016x}").into();
        let hash = self.random().hash_one((key.hash(), &*name));
        self.rename(old, key.bucket(hash, &name));
        let slot = self.slot(old);
        slot.bucket = Some(Arc::clone(&name));
        slot.scope.key = Some(key.hash());
        let rejected = slot.scope.rejected;
        let mut routes = slot.routes.take().unwrap_or_default();
        routes.set_apart(route, &name);
        if !routes.buckets.contains(&hash) && routes.has_room() {
            routes.buckets.push(hash);
        }
        let slot = self.slot(new);
        slot.routes = Some(routes);
        slot.scope.rejected = rejected;
        Some(new)
    }
}
