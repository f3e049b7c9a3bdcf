//! The flights that are under way, and what they do to what is kept.

use std::{
    collections::HashMap,
    sync::{Arc, MutexGuard},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::{
    request::Asked,
    generations::{Marks, Standing},
    stored::Kept,
    key::Key,
    landing::Landing,
    outcome::Outcome,
    store::{Entry, Store},
};
use crate::{classify::Classification, response_cache::AfterFailure};

/// For how long an endpoint's request that brought nothing to keep lets the next ones go by themselves.
const UNKEPT_FOR: Duration = Duration::from_secs(60);

/// The flights, for one that begins or ends.
pub(super) struct Flights<'a> {
    store: &'a Store,
    under_way: MutexGuard<'a, HashMap<Key, Landing>>,
}

// === impl Flights ===

impl<'a> Flights<'a> {
    pub(super) const fn new(
        store: &'a Store,
        under_way: MutexGuard<'a, HashMap<Key, Landing>>,
    ) -> Self {
        Self { store, under_way }
    }

    /// The flight that a request can join: it is under way, was not overtaken by an invalidation, and is as new as it is to be.
    pub(super) fn under_way(&self, asked: &Asked, now: Instant) -> Option<Landing> {
        let landing = self.under_way.get(&asked.key).filter(|landing| landing.is_expected(now))?;
        let is_accepted = asked.wish.accepts_age(now.saturating_duration_since(landing.asked));
        let standing = self.store.generations.standing(&landing.marks);
        (is_accepted && standing == Standing::Current).then(|| landing.clone())
    }

    pub(super) fn begin(&mut self, key: Key, landing: Landing) {
        self.under_way.insert(key, landing);
    }

    /// Takes note that a flight has ended. Another may have taken its place since.
    pub(super) fn end(&mut self, key: &Key, passengers: &watch::Sender<Option<Outcome>>) {
        if self.under_way.get(key).is_some_and(|landing| landing.is_of(passengers)) {
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
                    kept.hold.begin(failure, now);
                }
            }
        }
    }

    fn is_newest(&self, key: &Key, asked: Instant) -> bool {
        self.store.cache.get(key).is_none_or(|entry| entry.asked() <= asked)
    }
}
