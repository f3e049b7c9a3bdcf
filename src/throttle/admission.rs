//! The admission of one request by the quota of its key.

use std::{mem, sync::Arc, task::Waker, time::Duration};

use http::Request;
use tokio::time::Instant;

use super::{
    ThrottleConfig, events,
    key::{Key, KeyFn, Part},
    keys::{Keys, Table},
    layer::Shared,
    limiter::{Observation, Permit},
    outcome::AttemptOutcome,
    queue::{Notified, Position},
    routes::Route,
};
use crate::{
    endpoint::Endpoint,
    extensions::{Priority, ambient},
    headers::Bucket,
    metrics::Meter,
};

/// The admission of one request by the quota of its key, from its arrival to its response. Dropping it gives back what it has, and
/// wakes the requests that can use it.
#[derive(Debug)]
pub(super) struct Admission {
    shared: Arc<Shared>,
    at: Indexes,
    /// The route, where the server names buckets or may do so.
    route: Option<Box<Route>>,
    stage: Stage,
    meter: Meter,
}

/// The slots that a request uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Indexes {
    /// The slot of the request's key.
    pub(super) key: usize,
    /// The slot whose quota it counts against: a bucket of its key, else the same.
    pub(super) slot: usize,
}

#[derive(Debug)]
enum Stage {
    /// It has neither a permit nor a position in the queue.
    Arrived,
    Queued(Position),
    /// It has a permit, and nothing was sent.
    Admitted(Permit),
    InFlight(Permit),
    /// The response was counted.
    Done,
}

/// The state of the wait for a permit.
#[derive(Debug)]
pub(super) enum PermitPoll {
    Ready,
    /// The permit comes too late: at this moment, if that is known.
    TooLate(Option<Instant>),
    /// Poll again when woken, and at this moment if there is one.
    Pending(Option<Instant>),
}

// === impl Admission ===

impl Admission {
    /// Enters a request at the quota of its origin; `None` if there is no room for the key.
    #[inline(always)]
    pub(super) fn of_origin<B>(
        shared: &Arc<Shared>,
        endpoint: &Endpoint<'_, ThrottleConfig>,
        request: &Request<B>,
    ) -> Option<Self> {
        let part = Part::of(endpoint);
        let key = Key::of_origin(request.uri(), request.headers(), part);
        let route = || Route::new(request.method(), endpoint.pattern(), request.uri().path());
        Self::enter(shared, &key, route, Meter::of(endpoint))
    }

    /// Enters a request at the quota that `key_fn` names, else at that of its origin.
    pub(super) fn of_key<B>(
        key_fn: &KeyFn,
        shared: &Arc<Shared>,
        endpoint: &Endpoint<'_, ThrottleConfig>,
        request: Request<B>,
    ) -> (Request<B>, Option<Self>) {
        let part = Part::of(endpoint);
        let (head, body) = request.into_parts();
        let key = match key_fn(&head) {
            Some(owner) => Key::of_owner(owner, part),
            None => Key::of_origin(&head.uri, &head.headers, part),
        };
        let route = || Route::new(&head.method, endpoint.pattern(), head.uri.path());
        let admission = Self::enter(shared, &key, route, Meter::of(endpoint));
        drop(key);
        (Request::from_parts(head, body), admission)
    }

    #[inline]
    fn enter(
        shared: &Arc<Shared>,
        key: &Key<'_>,
        route: impl FnOnce() -> Route,
        meter: Meter,
    ) -> Option<Self> {
        let now = ambient::call_began().unwrap_or_else(|| shared.clock.now());
        // The effects may panic, so the admission that releases the slots is made before they run.
        Keys::with(shared, now, |table| {
            let key = table.enter(key)?;
            let route = table.slot(key).distinguishes_routes().then(|| Box::new(route()));
            let bucket = route.as_ref().and_then(|route| table.enter_bucket(key, route));
            let slot = bucket.unwrap_or(key);
            let stage = table.slot(slot).acquire(now).map_or(Stage::Arrived, Stage::Admitted);
            let at = Indexes { key, slot };
            Some(Self { shared: Arc::clone(shared), at, route, stage, meter })
        })
    }

    pub(super) const fn has_permit(&self) -> bool {
        matches!(self.stage, Stage::Admitted(_))
    }

    /// Keeps the route of a request that must wait: its bucket may be named meanwhile.
    pub(super) fn keep_route(&mut self, route: impl FnOnce() -> Route) {
        self.route.get_or_insert_with(|| Box::new(route()));
    }

    pub(super) const fn meter(&self) -> &Meter {
        &self.meter
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The name of the key.
    pub(super) fn key(&self, now: Instant) -> Arc<str> {
        Keys::with(&self.shared, now, |table| Arc::clone(table.slot(self.at.slot).name.shown()))
    }

    /// The average round trip of the key's requests; zero if it is not known.
    pub(super) fn round_trip(&self, now: Instant) -> Duration {
        let known =
            Keys::with(&self.shared, now, |table| table.slot(self.at.slot).quota.round_trip());
        known.unwrap_or_default()
    }

    /// Asks for a permit, in the queue.
    pub(super) fn poll_permit(
        &mut self,
        now: Instant,
        priority: Priority,
        deadline: Option<Instant>,
        waker: &Waker,
    ) -> PermitPoll {
        let (at, stage, route) = (&mut self.at, &mut self.stage, self.route.as_deref());
        Keys::with(&self.shared, now, |table| {
            if let Some(route) = route.filter(|_| at.slot == at.key) {
                change_queue(table, at, stage, route);
            }
            let mut slot = table.slot_mut(at.slot);
            let position = match stage {
                Stage::Arrived => slot.join(priority, deadline, waker),
                Stage::Queued(position) => *position,
                Stage::Admitted(_) | Stage::InFlight(_) | Stage::Done => return PermitPoll::Ready,
            };
            *stage = Stage::Queued(position);
            match slot.poll(position) {
                Some(Notified::Permit(permit)) => {
                    *stage = Stage::Admitted(permit);
                    PermitPoll::Ready
                }
                Some(Notified::TooLate(next)) => {
                    *stage = Stage::Arrived;
                    PermitPoll::TooLate(next)
                }
                None => PermitPoll::Pending(slot.wait(position, waker)),
            }
        })
    }

    /// The request is sent.
    pub(super) fn send(&mut self) {
        self.meter.attempted();
        self.stage = match mem::replace(&mut self.stage, Stage::Done) {
            Stage::Admitted(permit) => Stage::InFlight(permit),
            stage => stage,
        };
    }

    /// Reports the outcome of the attempt. Dropping the admission does nothing after that.
    pub(super) fn end(&mut self, outcome: &AttemptOutcome<'_>) {
        if outcome.is_rate_limited() {
            self.meter.rate_limited();
        }
        self.leave(outcome);
    }

    fn leave(&mut self, outcome: &AttemptOutcome<'_>) {
        let stage = mem::replace(&mut self.stage, Stage::Done);
        if let Stage::Done = stage {
            return;
        }
        let now = self.shared.clock.now();
        // A subscriber is foreign code, so it is asked before the lock is taken.
        let is_logged = outcome.may_show_limit() && events::learning_is_logged();
        Keys::with(&self.shared, now, |table| {
            match stage {
                Stage::InFlight(permit) => self.report(table, permit, outcome, is_logged),
                Stage::Admitted(permit) => table.slot_mut(self.at.slot).release(permit),
                Stage::Queued(position) => table.slot_mut(self.at.slot).leave(position),
                Stage::Arrived | Stage::Done => {}
            }
            table.release(self.at.slot);
            if self.at.key != self.at.slot {
                table.release(self.at.key);
            }
        });
    }

    /// Reports the outcome to the quota that gave the permit, and to the one that the request was counted against.
    #[inline]
    fn report(
        &self,
        table: &mut Table<'_>,
        permit: Permit,
        outcome: &AttemptOutcome<'_>,
        is_logged: bool,
    ) {
        if let AttemptOutcome::Response(seen, bucket) = outcome {
            if let Some(elsewhere) = self.counted_elsewhere(table, seen, *bucket) {
                table.slot_mut(elsewhere).on_counted_here(permit.sent(), seen, is_logged);
                return table.slot_mut(self.at.slot).on_counted_elsewhere(permit, seen);
            }
        }
        let mut slot = table.slot_mut(self.at.slot);
        match outcome {
            AttemptOutcome::Accepted => {
                slot.slot.had_no_bucket = true;
                slot.on_response(permit, &Observation::ACCEPTED, false);
            }
            AttemptOutcome::Response(seen, bucket) => {
                slot.slot.had_no_bucket |= bucket.is_none();
                slot.on_response(permit, seen, is_logged);
            }
            AttemptOutcome::Unsent => slot.on_unsent(permit),
            AttemptOutcome::Lost => slot.on_lost(permit),
        }
    }

    /// The slot that the request was counted against, if it is another one. A block of all buckets is passed on to all of them.
    fn counted_elsewhere(
        &self,
        table: &mut Table<'_>,
        seen: &Observation,
        bucket: Option<Bucket<'_>>,
    ) -> Option<usize> {
        let wait = seen.retry_after.filter(|_| seen.rate_limited);
        let counted_at = match (bucket, wait) {
            (Some(Bucket::Named(name)), _) => {
                table.name_bucket(self.at, self.route.as_deref(), name)
            }
            // A rate limit without a bucket comes from something that does not know of buckets.
            (Some(Bucket::Global), Some(wait)) | (None, Some(wait)) => {
                table.block_all(self.at.key, wait);
                Some(self.at.key)
            }
            _ => None,
        };
        counted_at.filter(|index| *index != self.at.slot)
    }
}

impl Drop for Admission {
    #[inline]
    fn drop(&mut self) {
        // Mostly its response has come.
        if !matches!(self.stage, Stage::Done) {
            self.leave(&AttemptOutcome::Lost);
        }
    }
}

/// Moves a request to the end of its bucket's queue, if a response has named its bucket since it arrived.
fn change_queue(table: &mut Table<'_>, at: &mut Indexes, stage: &mut Stage, route: &Route) {
    let Some(bucket) = table.enter_bucket(at.key, route) else { return };
    if let Stage::Queued(position) = *stage {
        table.slot_mut(at.key).leave(position);
        *stage = Stage::Arrived;
    }
    at.slot = bucket;
}
