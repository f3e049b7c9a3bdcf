//! Quotas of buckets that a server names: each origin, or whatever else has a quota, may have some.

use std::{hash::BuildHasher, mem, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{effects::After, keys::Table, layer::Rules, routes::Route};

/// Where a new bucket finds room.
enum Room {
    Further,
    /// In the place of this one.
    Instead(usize),
}

impl Table {
    /// The place of the bucket that a request on this route is counted in, if one is known. It is to be left, as any place.
    pub(super) fn enter_bucket(
        &mut self,
        home: usize,
        route: &Route,
        rules: &Rules,
        after: &mut After,
    ) -> Option<usize> {
        let name = Arc::clone(self.slot(home)?.routes.as_ref()?.bucket(route)?);
        let place = self.find_bucket(home, &name, rules, after)?;
        self.enter_at(place);
        Some(place)
    }

    /// An answer to a request at `place` has named its bucket. From then on routes are told apart. Returns the place of that
    /// one; none if there is no room.
    pub(super) fn name_bucket(
        &mut self,
        home: usize,
        place: usize,
        route: Option<&Route>,
        name: &str,
        rules: &Rules,
        after: &mut After,
    ) -> Option<usize> {
        // As before, which is nearly always so.
        if self.slot(place)?.bucket.as_ref().is_some_and(|bucket| **bucket == *name) {
            return Some(place);
        }
        let name = Arc::from(name);
        let bucket = self.find_bucket(home, &name, rules, after)?;
        let routes = self.slot(home)?.routes.get_or_insert_default();
        if let Some(route) = route {
            routes.learn(route, &name);
        }
        Some(bucket)
    }

    /// The server refuses the requests to all buckets for so long.
    pub(super) fn hold_all(
        &mut self,
        home: usize,
        wait: Duration,
        now: Instant,
        after: &mut After,
    ) {
        let Some(slot) = self.slot(home) else { return };
        slot.hold(wait, now, after);
        let buckets = slot.routes.as_ref().map_or_else(Vec::new, |routes| routes.buckets.clone());
        for bucket in buckets {
            if let Some(slot) = self.place_of(bucket).and_then(|place| self.slot(place)) {
                slot.hold(wait, now, after);
            }
        }
    }

    fn find_bucket(
        &mut self,
        home: usize,
        name: &Arc<str>,
        rules: &Rules,
        after: &mut After,
    ) -> Option<usize> {
        let owner = self.slot(home)?.name.hash();
        let hash = self.random().hash_one((owner, &**name));
        let found = self.place_of(hash);
        let is_listed = self.slot(home)?.routes.get_or_insert_default().buckets.contains(&hash);
        if is_listed && found.is_some() {
            return found;
        }
        // It may be there and not be listed: what it is a bucket of was forgotten in between.
        let room = if is_listed { Room::Further } else { self.room(home)? };
        let place = match found {
            Some(place) => place,
            None => self.make_bucket(home, hash, name, &room, rules, after)?,
        };
        if !is_listed {
            self.slot(home)?.routes.get_or_insert_default().buckets.push(hash);
        }
        Some(place)
    }

    fn make_bucket(
        &mut self,
        home: usize,
        hash: u64,
        name: &Arc<str>,
        room: &Room,
        rules: &Rules,
        after: &mut After,
    ) -> Option<usize> {
        let slot = self.slot(home)?;
        let known = slot.name.bucket(hash, name);
        let held = slot.quota.held_until();
        let place = match room {
            Room::Instead(place) => self.replace(*place, known, rules),
            Room::Further => self.insert(known, rules, after)?,
        };
        let slot = self.slot(place)?;
        slot.bucket = Some(Arc::clone(name));
        if let Some(held) = held {
            slot.quota.hold_until(held);
        }
        Some(place)
    }

    /// Room for one more bucket. Where there are too many, one that is idle goes; none if all are busy.
    fn room(&mut self, home: usize) -> Option<Room> {
        let Some(routes) = self.slot(home)?.routes.as_mut().filter(|routes| !routes.has_room())
        else {
            return Some(Room::Further);
        };
        let mut buckets = mem::take(&mut routes.buckets);
        let idle = buckets.iter().position(|hash| {
            let slot = self.place_of(*hash).and_then(|place| self.slot(place));
            slot.is_none_or(|slot| slot.guests == 0)
        });
        let gone = idle.map(|at| buckets.remove(at));
        self.slot(home)?.routes.as_mut()?.buckets = buckets;
        let place = self.place_of(gone?);
        Some(place.map_or(Room::Further, Room::Instead))
    }
}
