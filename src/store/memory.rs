//! A store in the process' own memory.

use std::{
    collections::HashMap,
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;
use tower_service::Service;

use super::{
    FetchId, Intent, NOTE_KEPT_FOR, QuotaReply, QuotaRequest, SlotReply, SlotRequest, StoreName,
};

/// The budget of [`Intent::Reject`]: two, at least ten seconds apart, and one more every five minutes.
const BURST: u32 = 2;
const SPACING: Duration = Duration::from_secs(10);
const REFILL: Duration = Duration::from_secs(5 * 60);

/// The time at which a store begins.
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A store in memory, which clones share: what others keep in Redis, for tests and examples. It keeps names until it is dropped.
#[derive(Clone, Default)]
pub struct InMemory(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    slots: HashMap<StoreName, Slot>,
    fences: u64,
    /// The records of quotas, with their ends.
    quotas: HashMap<StoreName, (Bytes, Instant)>,
    /// The origin of the time.
    begun: Option<Instant>,
}

#[derive(Default)]
struct Slot {
    record: Option<Record>,
    lease: Option<Lease>,
    failure: Option<Failure>,
    /// When the budget for rejections is full again, and when it was last used.
    budget: Option<(Instant, Instant)>,
}

struct Record {
    id: FetchId,
    fence: u64,
    bytes: Bytes,
    end: Instant,
}

#[derive(Clone, Copy)]
struct Lease {
    id: FetchId,
    fence: u64,
    end: Instant,
}

struct Failure {
    note: Bytes,
    end: Instant,
}

// === impl InMemory ===

impl InMemory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Service<SlotRequest> for InMemory {
    type Response = SlotReply;
    type Error = Infallible;
    type Future = Ready<Result<SlotReply, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: SlotRequest) -> Self::Future {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State { slots, fences, .. } = &mut *state;
        let slot = slots.entry(request.slot().clone()).or_default();
        ready(Ok(slot.step(request, fences, Instant::now())))
    }
}

impl Service<QuotaRequest> for InMemory {
    type Response = QuotaReply;
    type Error = Infallible;
    type Future = Ready<Result<QuotaReply, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: QuotaRequest) -> Self::Future {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let begun = *state.begun.get_or_insert(now);
        let time = now.saturating_duration_since(begun) + DAY;
        let present = state.quotas.get(request.name()).filter(|(_, end)| now < *end);
        let present = present.map(|(record, _)| record.clone());
        let reply = match request {
            QuotaRequest::Swap { name, was, record, ttl, deadline }
                if was == present && time <= deadline =>
            {
                state.quotas.insert(name, (record, now + ttl));
                QuotaReply::Swapped
            }
            _ => QuotaReply::Record { now: time, record: present },
        };
        ready(Ok(reply))
    }
}

impl fmt::Debug for InMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemory").finish_non_exhaustive()
    }
}

// === impl Slot ===

impl Slot {
    fn step(&mut self, request: SlotRequest, fences: &mut u64, now: Instant) -> SlotReply {
        self.record.take_if(|record| record.end <= now);
        self.lease.take_if(|lease| lease.end <= now);
        self.failure.take_if(|failure| failure.end + NOTE_KEPT_FOR <= now);
        let holds = |slot: &Self, id| slot.lease.filter(|lease| lease.id == id);
        match request {
            SlotRequest::Begin { id, unlike, intent, lease, .. } => {
                self.begin(id, unlike, intent, lease, fences, now)
            }
            SlotRequest::Renew { id, lease, .. } => match holds(self, id) {
                Some(held) => {
                    self.lease = Some(Lease { end: after(now, lease), ..held });
                    SlotReply::Done
                }
                None => SlotReply::Lost,
            },
            SlotRequest::Complete { id, fence, record, lifetime, elapsed, .. } => {
                if self.record.as_ref().is_some_and(|present| present.fence > fence) {
                    return SlotReply::Newer;
                }
                if holds(self, id).is_some() {
                    self.lease = None;
                }
                let left = lifetime.saturating_sub(elapsed);
                if left.is_zero() {
                    return SlotReply::Lost;
                }
                self.record = Some(Record { id, fence, bytes: record, end: after(now, left) });
                self.failure = None;
                SlotReply::Done
            }
            SlotRequest::Fail { id, cooldown, .. } => {
                if holds(self, id).is_some() {
                    self.lease = None;
                }
                if let Some((note, wait)) = cooldown {
                    let end = after(now, wait);
                    let end = self.failure.as_ref().map_or(end, |present| end.max(present.end));
                    self.failure = Some(Failure { note, end });
                }
                SlotReply::Done
            }
            SlotRequest::Forget { id, .. } => {
                self.record.take_if(|record| id.is_none_or(|id| id == record.id));
                SlotReply::Done
            }
        }
    }

    fn begin(
        &mut self,
        id: FetchId,
        unlike: Option<FetchId>,
        intent: Intent,
        lease: Duration,
        fences: &mut u64,
        now: Instant,
    ) -> SlotReply {
        if let Some(record) = self.record.as_ref().filter(|record| Some(record.id) != unlike) {
            let left = record.end.saturating_duration_since(now);
            return SlotReply::Record { id: record.id, record: record.bytes.clone(), left };
        }
        let cooldown = self.failure.as_ref().filter(|failure| now < failure.end);
        if let (Some(Failure { note, end }), true) = (cooldown, intent != Intent::Force) {
            let left = end.saturating_duration_since(now);
            return SlotReply::Cooldown { note: note.clone(), left };
        }
        let lead = |fence, failure: &Option<Failure>| {
            let failure = failure.as_ref().map(|failure| failure.note.clone());
            SlotReply::Lead { fence, failure }
        };
        if let Some(held) = self.lease {
            return match held.id == id {
                // The reply to the first question was lost.
                true => lead(held.fence, &self.failure),
                false => SlotReply::Wait { left: held.end.saturating_duration_since(now) },
            };
        }
        if intent == Intent::Reject && !self.take_budget(now) {
            return SlotReply::Keep;
        }
        *fences += 1;
        self.lease = Some(Lease { id, fence: *fences, end: after(now, lease) });
        lead(*fences, &self.failure)
    }

    fn take_budget(&mut self, now: Instant) -> bool {
        let (full, last) =
            self.budget.map_or((now, None), |(full, last)| (full.max(now), Some(last)));
        let next = full + REFILL;
        let too_soon = last.is_some_and(|last| now.saturating_duration_since(last) < SPACING);
        if too_soon || next > now + REFILL * BURST {
            return false;
        }
        self.budget = Some((next, now));
        true
    }
}

/// As other stores do, it keeps nothing for longer than a year.
fn after(now: Instant, span: Duration) -> Instant {
    now + span.min(Duration::from_secs(365 * 24 * 60 * 60))
}
