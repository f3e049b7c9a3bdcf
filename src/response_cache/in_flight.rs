//! The fetches in flight, and where their outcomes are awaited.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

use super::{
    cache_control::Accepts,
    generations::{Generations, Validity, Version},
    key::LookupKey,
    stored::CompleteResponse,
    waiters::{MAX_UNATTENDED, Waiters, Waiting},
};
use crate::{
    Error,
    classify::ErrorClass,
    extensions::Deadline,
    single_flight::{Abandoned, Outcome, Publisher, Waiter},
};

/// How long after its limit a fetch may publish its outcome: its runtime may only be slow.
const GRACE: Duration = Duration::from_secs(1);

/// The longest limit, so that adding to it cannot overflow the clock.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The KiB of bodies that fetches hold together. A fetch that would exceed them passes its response on. With the usual profile of
/// a few KiB, that takes a thousand fetches in flight.
const MAX_BUFFERED: usize = 8 << 10;

/// The fetches in flight, by lookup key, and what bounds them.
pub(super) struct InFlight {
    fetches: Mutex<HashMap<LookupKey, PendingFetch>>,
    /// For fetches that no call waits for.
    pub(super) unattended: Semaphore,
    /// The KiB that can be held still.
    pub(super) room: Semaphore,
}

/// The fetches in flight, locked.
pub(super) struct Locked<'a>(MutexGuard<'a, HashMap<LookupKey, PendingFetch>>);

/// A fetch in flight, as its waiters see it.
#[derive(Clone)]
pub(super) struct PendingFetch {
    pub(super) waiter: Waiter<Fetched>,
    pub(super) waiters: Arc<Waiters>,
    pub(super) version: Version,
    pub(super) limit: Limit,
}

/// How a fetch ended.
#[derive(Clone)]
pub(super) enum Fetched {
    /// A response for all waiters. Its class, if it is a failure.
    Response(Arc<CompleteResponse>, Option<ErrorClass>),
    /// A response for the leader alone. Its class, if it is a failure.
    NotShared(Option<ErrorClass>),
    /// No response. The class of the failure, if it is known.
    Failed(Error, Option<ErrorClass>),
}

/// When a fetch is given up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) at: Instant,
    /// Whether it is the deadline of the call that began the fetch: another call may have more time.
    is_of_leader: bool,
}

// === impl InFlight ===

impl InFlight {
    pub(super) fn lock(&self) -> Locked<'_> {
        Locked(self.fetches.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for InFlight {
    fn default() -> Self {
        Self {
            fetches: Mutex::default(),
            unattended: Semaphore::new(MAX_UNATTENDED),
            room: Semaphore::new(MAX_BUFFERED),
        }
    }
}

// === impl Locked ===

impl Locked<'_> {
    /// The fetch that a request can join: pending, not overtaken by an invalidation, and recent enough.
    pub(super) fn find(
        &self,
        key: LookupKey,
        accepts: Accepts,
        generations: &Generations,
        now: Instant,
    ) -> Option<(PendingFetch, Waiting)> {
        let fetch = self.0.get(&key).filter(|fetch| fetch.waiter.is_expected(now))?;
        let is_accepted = accepts.age(now.saturating_duration_since(fetch.version.sent_at));
        let is_valid = generations.validity(&fetch.version) == Validity::Valid;
        let waiting = fetch.waiters.join().filter(|_| is_accepted && is_valid)?;
        Some((fetch.clone(), waiting))
    }

    pub(super) fn insert(&mut self, key: LookupKey, fetch: PendingFetch) {
        self.0.insert(key, fetch);
    }

    /// Removes a fetch, unless another has taken its place.
    pub(super) fn remove(&mut self, key: LookupKey, publisher: &Publisher<Fetched>) {
        if self.0.get(&key).is_some_and(|fetch| fetch.waiter.is_of(publisher)) {
            self.0.remove(&key);
        }
    }
}

// === impl PendingFetch ===

impl PendingFetch {
    /// Waits for the outcome, also of a fetch that never publishes one. `None` if it did not come until `give_up`.
    pub(super) async fn outcome(&mut self, give_up: Option<Instant>) -> Option<Outcome<Fetched>> {
        let overdue = self.limit.overdue();
        match give_up.filter(|give_up| *give_up < overdue) {
            Some(give_up) => self.waiter.outcome_until(give_up).await,
            None => Some(self.waiter.outcome_until(overdue).await.unwrap_or(Err(Abandoned))),
        }
    }
}

// === impl Fetched ===

impl Fetched {
    /// The class, if it is a failure of a known class.
    pub(super) const fn failure(&self) -> Option<ErrorClass> {
        match self {
            Self::Response(_, failure) | Self::NotShared(failure) | Self::Failed(_, failure) => {
                *failure
            }
        }
    }
}

// === impl Limit ===

impl Limit {
    pub(super) fn new(sent_at: Instant, timeout: Duration, deadline: Option<Deadline>) -> Self {
        let at = sent_at + timeout.min(YEAR);
        match deadline.map(Deadline::instant) {
            Some(end) if end < at => Self { at: end, is_of_leader: true },
            Some(_) | None => Self { at, is_of_leader: false },
        }
    }

    /// When a fetch that has published nothing counts as abandoned: its runtime is not driven any more.
    pub(super) fn overdue(&self) -> Instant {
        self.at + GRACE
    }

    /// Whether the fetch is given up before a call with this deadline is.
    pub(super) fn cuts_short(&self, deadline: Option<Deadline>) -> bool {
        self.is_of_leader && deadline.is_none_or(|deadline| deadline.instant() > self.at)
    }
}
