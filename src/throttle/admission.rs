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
    queue::{Notified, Patience, Position, TooLate},
    route::{Route, Target},
    split::Subject,
};
use crate::{
    endpoint::Endpoint,
    extensions::{
        Priority,
        ambient::{self, Paced},
    },
    headers::Bucket,
    metrics::Meter,
};

/// The admission of one request by the quota of its key, from its arrival to its response. Dropping it gives back what it has, and
/// wakes the requests that can use it.
#[derive(Debug)]
pub(super) struct Admission {
    shared: Arc<Shared>,
    at: Indexes,
    route: Route,
    /// Known once it counts.
    subject: Option<Subject>,
    stage: Stage,
    /// The least wait after a rate-limited response.
    min_wait: Duration,
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
    /// The permit comes too late.
    TooLate(TooLate),
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
        let target = Target::of(request, endpoint.pattern());
        let marked = request.extensions().get::<Priority>().copied();
        let priority = marked.unwrap_or(endpoint.config().default_priority());
        Self::enter(shared, &key, target, priority, endpoint)
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
        let (method, path) = (&head.method, head.uri.path());
        let target = Target { method, pattern: endpoint.pattern(), path, headers: &head.headers };
        let marked = head.extensions.get::<Priority>().copied();
        let priority = marked.unwrap_or(endpoint.config().default_priority());
        let admission = Self::enter(shared, &key, target, priority, endpoint);
        drop(key);
        (Request::from_parts(head, body), admission)
    }

    #[inline]
    fn enter(
        shared: &Arc<Shared>,
        key: &Key<'_>,
        target: Target<'_>,
        priority: Priority,
        endpoint: &Endpoint<'_, ThrottleConfig>,
    ) -> Option<Self> {
        let (config, meter) = (endpoint.config(), Meter::of(endpoint));
        let min_wait = config.shortest_wait();
        let now = ambient::call_began().unwrap_or_else(|| shared.clock.now());
        // The effects may panic, so the admission that releases the slots is made before they run.
        Keys::with(shared, now, |table| {
            let key = table.enter(key, config)?;
            let route = table.slot(key).last_route.next(target);
            let bucket = table.enter_bucket(key, &route);
            let mut at = Indexes { key, slot: bucket.unwrap_or(key) };
            let is_asked = table.slot(at.slot).split.is_asked();
            let subject = is_asked.then(|| Subject::of(&target, &shared.random));
            if let Some(subject) = subject {
                table.enter_subject(&mut at, subject);
            }
            let mut permit = table.slot(at.slot).acquire(priority, now);
            if permit.is_none() && at.slot == key {
                if let Some(other) = table.move_on(key, route.finest()) {
                    at = Indexes { key: other, slot: other };
                    permit = table.slot(other).acquire(priority, now);
                }
            }
            let stage = permit.map_or(Stage::Arrived, Stage::Admitted);
            Some(Self { shared: Arc::clone(shared), at, route, subject, stage, min_wait, meter })
        })
    }

    pub(super) const fn has_permit(&self) -> bool {
        matches!(self.stage, Stage::Admitted(_))
    }

    /// The request is going to be queued.
    pub(super) fn note_subject<B>(&mut self, request: &Request<B>) {
        let target = Target::of(request, None);
        self.subject.get_or_insert_with(|| Subject::of(&target, &self.shared.random));
    }

    /// The route by which its response time is judged.
    pub(super) fn route(&self) -> u64 {
        self.route.finest()
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

    /// Asks for a permit, in the queue.
    pub(super) fn poll_permit(
        &mut self,
        now: Instant,
        patience: Patience,
        waker: &Waker,
    ) -> PermitPoll {
        let (at, stage, route, subject) =
            (&mut self.at, &mut self.stage, &self.route, self.subject);
        Keys::with(&self.shared, now, |table| {
            if at.slot == at.key {
                change_queue(table, at, stage, route);
            }
            if let Some(subject) = subject {
                change_subject(table, at, stage, subject);
            }
            let mut slot = table.slot_mut(at.slot);
            let position = match stage {
                Stage::Arrived => slot.join(patience, waker),
                Stage::Queued(position) => *position,
                Stage::Admitted(_) | Stage::InFlight(_) | Stage::Done => return PermitPoll::Ready,
            };
            *stage = Stage::Queued(position);
            match slot.poll(position) {
                Some(Notified::Permit(permit)) => {
                    *stage = Stage::Admitted(permit);
                    PermitPoll::Ready
                }
                Some(Notified::TooLate(why)) => {
                    *stage = Stage::Arrived;
                    PermitPoll::TooLate(why)
                }
                None => match subject.and_then(|subject| slot.test(position, subject)) {
                    Some(permit) => {
                        *stage = Stage::Admitted(permit);
                        PermitPoll::Ready
                    }
                    None => PermitPoll::Pending(slot.wait(position, waker)),
                },
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
        if let Some(how) = self.leave(outcome) {
            ambient::will_pace(how);
        }
    }

    /// Returns how the next attempt is paced, if this one was rate limited.
    fn leave(&mut self, outcome: &AttemptOutcome<'_>) -> Option<Paced> {
        let stage = mem::replace(&mut self.stage, Stage::Done);
        if let Stage::Done = stage {
            return None;
        }
        let now = self.shared.clock.now();
        // A subscriber is foreign code, so it is asked before the lock is taken.
        let is_logged = outcome.may_show_limit() && events::learning_is_logged();
        Keys::with(&self.shared, now, |table| {
            let mut paced = None;
            match stage {
                Stage::InFlight(permit) => paced = self.report(table, permit, outcome, is_logged),
                Stage::Admitted(permit) => table.slot_mut(self.at.slot).release(permit),
                Stage::Queued(position) => table.slot_mut(self.at.slot).leave(position),
                Stage::Arrived | Stage::Done => {}
            }
            table.release(self.at.slot);
            if self.at.key != self.at.slot {
                table.release(self.at.key);
            }
            paced
        })
    }

    /// Reports the outcome to the quota that gave the permit, and to the one that the request was counted against.
    #[inline]
    fn report(
        &self,
        table: &mut Table<'_>,
        permit: Permit,
        outcome: &AttemptOutcome<'_>,
        is_logged: bool,
    ) -> Option<Paced> {
        let resolved;
        let mut outcome = outcome;
        if let AttemptOutcome::Response(seen, bucket) = outcome {
            if table.slot(self.at.slot).quota.is_limit(seen) {
                resolved = AttemptOutcome::Response(as_limit(seen), *bucket);
                outcome = &resolved;
            }
        }
        if let AttemptOutcome::Response(seen, bucket) = outcome {
            // By the server's own wait, since the user's is one for this endpoint.
            let elsewhere = self.counted_elsewhere(table, seen, *bucket);
            let waits;
            let mut seen = seen;
            if seen.rate_limited && !self.min_wait.is_zero() {
                let retry_after = seen.retry_after.max(Some(self.min_wait));
                waits = Observation { retry_after, ..*seen };
                seen = &waits;
            }
            if let Some(elsewhere) = elsewhere {
                table.slot_mut(elsewhere).on_counted_here(
                    permit.sent(),
                    self.route(),
                    seen,
                    is_logged,
                );
                table.slot_mut(self.at.slot).on_counted_elsewhere(permit, seen);
                return self.paces(table, elsewhere, seen);
            }
            let mut slot = table.slot_mut(self.at.slot);
            slot.on_response(permit, self.route(), seen, is_logged);
            slot.note(self.subject, seen);
            return self.paces(table, self.at.slot, seen);
        }
        let mut slot = table.slot_mut(self.at.slot);
        match outcome {
            AttemptOutcome::Accepted => {
                slot.on_response(permit, self.route(), &Observation::ACCEPTED, false);
                if self.subject.is_some() {
                    slot.note(self.subject, &Observation::ACCEPTED);
                }
            }
            AttemptOutcome::Unsent => {
                slot.slot.split.on_lost(self.subject);
                slot.on_unsent(permit);
            }
            AttemptOutcome::Response(..) | AttemptOutcome::Lost => {
                slot.slot.split.on_lost(self.subject);
                slot.on_lost(permit, self.route());
            }
        }
        None
    }

    /// How the next attempt is paced by this slot, if this one was rate limited.
    fn paces(&self, table: &mut Table<'_>, slot: usize, seen: &Observation) -> Option<Paced> {
        let now = table.now();
        if seen.rate_limited && !self.min_wait.is_zero() {
            // The limiter may take the rejection for chance.
            table.slot_mut(slot).block_for(self.min_wait);
        }
        seen.rate_limited.then(|| table.slot(slot).quota.paces(seen.retry_after, now)).flatten()
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
            (Some(Bucket::Named(name)), _) => table.name_bucket(self.at, &self.route, name),
            // A rate limit without a bucket comes from something that does not know of buckets.
            (Some(Bucket::Global), Some(wait)) => self.block_all(table, wait),
            (None, Some(wait)) if table.names_buckets(self.at.key) => self.block_all(table, wait),
            _ => table.attribute(self.at, self.route(), seen),
        };
        counted_at.filter(|index| *index != self.at.slot)
    }

    fn block_all(&self, table: &mut Table<'_>, wait: Duration) -> Option<usize> {
        table.holds_all(self.at.key);
        table.block_all(self.at.key, wait);
        Some(self.at.key)
    }
}

impl Drop for Admission {
    #[inline]
    fn drop(&mut self) {
        // Mostly its response has come.
        if !matches!(self.stage, Stage::Done) {
            let _ = self.leave(&AttemptOutcome::Lost);
        }
    }
}

/// The same response as a rejection by the exhausted counter.
fn as_limit(seen: &Observation) -> Observation {
    let mut seen = Observation { rate_limited: true, ..*seen };
    let shown = seen.ambiguous.take();
    let others = seen.readings.into_iter().flatten();
    let mut readings = shown.into_iter().chain(others).collect::<Vec<_>>().into_iter();
    seen.readings = std::array::from_fn(|_| readings.next());
    seen
}

/// Moves a request to the end of its bucket's queue, if responses have shown since it arrived where it is counted.
fn change_queue(table: &mut Table<'_>, at: &mut Indexes, stage: &mut Stage, route: &Route) {
    let is_waiting = match *stage {
        Stage::Queued(position) => !table.slot(at.key).queue.was_notified(position),
        _ => true,
    };
    if is_waiting && table.slot(at.key).scope.is_of_other(route.finest()) {
        // Where there is no room for another slot, it keeps its position: to leave it would wake another, which would do the same.
        if let Some(other) = table.move_on(at.key, route.finest()) {
            leave_queue(table, at.key, stage);
            *at = Indexes { key: other, slot: other };
        }
    }
    let Some(bucket) = table.enter_bucket(at.key, route) else { return };
    leave_queue(table, at.key, stage);
    at.slot = bucket;
}

/// Moves a request to the queue of its caller or path, if a response has shown since it arrived that these have their own limits.
fn change_subject(table: &mut Table<'_>, at: &mut Indexes, stage: &mut Stage, subject: Subject) {
    let from = at.slot;
    let is_waiting = match *stage {
        Stage::Queued(position) => !table.slot(from).queue.was_notified(position),
        _ => true,
    };
    // It is still retained, or without users and not evicted under the lock.
    if is_waiting && table.enter_subject(at, subject) {
        leave_queue(table, from, stage);
    }
}

fn leave_queue(table: &mut Table<'_>, slot: usize, stage: &mut Stage) {
    if let Stage::Queued(position) = *stage {
        table.slot_mut(slot).leave(position);
        *stage = Stage::Arrived;
    }
}
