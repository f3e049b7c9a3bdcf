//! Quotas of buckets that a server names: each origin, or whatever else has a quota, may have some.

use std::{hash::BuildHasher, mem, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{after::After, keys::Table, layer::Rules, routes::Route, slot::Slot};
use crate::{chance, policy::quota::Quota};

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

    /// An answer to a request at `place` has named its bucket. From then on routes are told apart. Returns the place of that one; none if there is no room.
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
        if self.slot(place)?.bucket.as_ref().is_some_and(|(_, bucket)| **bucket == *name) {
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
        let Some(hash) = self.slot(home).map(|slot| slot.name.hash()) else { return };
        let is_one = |slot: &Slot| slot.bucket.as_ref().is_some_and(|(owner, _)| *owner == hash);
        for slot in self.slots_mut().filter(|slot| slot.name.hash() == hash || is_one(slot)) {
            slot.hold(wait, now, after);
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
        if let Some(place) = self.place_of(hash) {
            return Some(place);
        }
        let room = self.room(home)?;
        let slot = self.slot(home)?;
        let known = slot.name.bucket(hash, name);
        let held = slot.quota.held_until();
        let quota = || Quota::new().max_hold(rules.max_hold).chance(chance::draw().to_bits());
        let place = match room {
            Room::Instead(place) => self.replace(place, known, quota()),
            Room::Further => self.insert(known, rules.max_keys, quota, after)?,
        };
        let slot = self.slot(place)?;
        slot.bucket = Some((owner, Arc::clone(name)));
        if let Some(held) = held {
            slot.quota.hold_until(held);
        }
        self.slot(home)?.routes.get_or_insert_default().buckets.push(hash);
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
