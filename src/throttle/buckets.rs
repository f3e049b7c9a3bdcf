//! The quotas of buckets that a server names: any key may have some.

use std::{hash::BuildHasher, mem, sync::Arc, time::Duration};

use super::{
    admission::Indexes,
    keys::Table,
    route::Route,
    split::{CountedBy, Subject},
};

/// Where a new bucket finds room.
enum Room {
    Another,
    /// In the slot of this one.
    Instead(usize),
}

impl Table<'_> {
    /// The index of the bucket that a request on this route is counted in, if one is known; to be released, as any index.
    pub(super) fn enter_bucket(&mut self, key: usize, route: &Route) -> Option<usize> {
        let name = Arc::clone(self.slot(key).routes.as_ref()?.bucket(route)?);
        let index = self.find_bucket(key, &name)?;
        self.retain(index);
        Some(index)
    }

    /// Moves a request to the slot of its caller or path, if its slot's limit is not one for all. Returns whether it is.
    pub(super) fn enter_subject(&mut self, at: &mut Indexes, subject: Subject) -> bool {
        let (from, now) = (at.slot, self.now());
        let by = self.slot(from).split.counted_by(now);
        let Some(part) = subject.part(by) else { return false };
        let what = if by == CountedBy::Caller { "caller" } else { "path" };
        let Some(index) = self.find_bucket(from, &format!("{what} {part:016x}").into()) else {
            return false;
        };
        let bucket = self.slot(from).bucket.clone();
        let held_until = self.slot(from).split.held_until(subject).filter(|until| *until > now);
        let slot = self.slot(index);
        // Only a new one is not configured yet.
        if let Some(until) = held_until.filter(|_| !slot.scope.is_configured) {
            slot.quota.block_until(until);
        }
        slot.bucket = bucket;
        slot.scope.is_configured = true;
        #[cfg(feature = "shared")]
        {
            // Its name is this process' own.
            slot.member = None;
        }
        self.retain(index);
        if from != at.key {
            self.release(from);
        }
        at.slot = index;
        true
    }

    /// A response has named the bucket of its request; from then on routes are distinguished. Returns the bucket's index, `None` if
    /// there is no room.
    pub(super) fn name_bucket(&mut self, at: Indexes, route: &Route, name: &str) -> Option<usize> {
        // Most responses name the same bucket as the one before.
        if self.slot(at.slot).bucket.as_ref().is_some_and(|bucket| **bucket == *name) {
            return Some(at.slot);
        }
        let name = Arc::from(name);
        let bucket = self.find_bucket(at.key, &name)?;
        let routes = self.slot(at.key).routes.get_or_insert_default();
        routes.named = true;
        routes.learn(route, &name);
        Some(bucket)
    }

    /// Whether the server has named a bucket of this key.
    pub(super) fn names_buckets(&mut self, key: usize) -> bool {
        self.slot(key).routes.as_ref().is_some_and(|routes| routes.named)
    }

    /// Blocks a key and all its buckets.
    pub(super) fn block_all(&mut self, key: usize, wait: Duration) {
        self.slot_mut(key).block_for(wait);
        let routes = self.slot(key).routes.as_ref();
        for bucket in routes.map_or_else(Vec::new, |routes| routes.buckets.clone()) {
            // A bucket may have some of its own: those of callers or paths.
            if let Some(index) = self.index_of(bucket).filter(|index| *index != key) {
                self.block_all(index, wait);
            }
        }
    }

    pub(super) fn find_bucket(&mut self, key: usize, name: &Arc<str>) -> Option<usize> {
        let owner = self.slot(key).name.hash();
        let hash = self.random().hash_one((owner, &**name));
        let found = self.index_of(hash);
        let is_listed = self.slot(key).routes.get_or_insert_default().buckets.contains(&hash);
        if is_listed && found.is_some() {
            return found;
        }
        // A bucket that is there is not listed if its key was evicted in between.
        let room = if is_listed { Room::Another } else { self.room(key)? };
        let index = match found {
            Some(index) => index,
            None => self.make_bucket(key, hash, name, &room)?,
        };
        if !is_listed {
            self.slot(key).routes.get_or_insert_default().buckets.push(hash);
        }
        Some(index)
    }

    fn make_bucket(
        &mut self,
        key: usize,
        hash: u64,
        name: &Arc<str>,
        room: &Room,
    ) -> Option<usize> {
        let slot = self.slot(key);
        let bucket = slot.name.bucket(hash, name);
        let (blocked_until, quota) = (slot.quota.blocked_until(), slot.quota.sibling());
        let index = match room {
            Room::Instead(index) => self.replace(*index, bucket, quota),
            Room::Another => self.insert(bucket, quota)?,
        };
        let slot = self.slot(index);
        slot.bucket = Some(Arc::clone(name));
        if let Some(until) = blocked_until {
            slot.quota.block_until(until);
        }
        Some(index)
    }

    /// Room for one more bucket: where there are too many, that of an idle one. `None` if all are in use.
    fn room(&mut self, key: usize) -> Option<Room> {
        let Some(routes) = self.slot(key).routes.as_mut().filter(|routes| !routes.has_room())
        else {
            return Some(Room::Another);
        };
        let mut buckets = mem::take(&mut routes.buckets);
        let idle = buckets
            .iter()
            .position(|hash| self.index_of(*hash).is_none_or(|index| self.slot(index).users == 0));
        let evicted = idle.map(|at| buckets.remove(at));
        self.slot(key).routes.as_mut()?.buckets = buckets;
        let index = self.index_of(evicted?);
        Some(index.map_or(Room::Another, Room::Instead))
    }
}
