//! The questions of one process to the store of its fleet: a task for each key that is in use, which ends when nothing is needed.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{Instant, error::Elapsed, timeout_at},
};
use tower_service::Service;

use super::{
    fleet::{Ask, Counts, Hand, Question, Step},
    keys::Keys,
    layer::Shared,
};
use crate::{
    BoxError,
    error::Causes,
    jitter, metrics,
    store::{Caller, QuotaReply, QuotaRequest, SealingKeys, StoreName},
};

/// The longest that one question takes.
const QUESTION: Duration = Duration::from_millis(250);

/// The store that the processes of a fleet share.
#[derive(Clone)]
pub(super) struct Fleet {
    store: Caller<QuotaRequest, QuotaReply>,
    keys: SealingKeys,
}

/// What one process has of a fleet's quota, and the task that asks for more.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) hand: Hand,
    /// Wakes the task that asks, while there is one.
    task: Option<Arc<Notify>>,
}

/// What the task does next.
#[derive(Debug)]
pub(super) enum Next {
    Ask(Box<Asked>),
    At(Instant),
    End,
}

/// A question, what it asks, and the name of the record.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) question: Question,
    pub(super) ask: Ask,
    pub(super) name: StoreName,
}

/// Ends the task's use of its slot, however it ends.
struct Task {
    shared: Arc<Shared>,
    index: usize,
    task: Arc<Notify>,
}

/// How a question ended.
enum End {
    /// When the reply that counts was asked for, and when it came.
    Answered(Instant, Instant),
    Busy,
    /// The record is left alone.
    NotOurs,
}

/// Why a question was in vain.
#[derive(Debug, Default)]
pub(super) struct Failure {
    pub(super) reason: &'static str,
    pub(super) error: Option<String>,
}

// === impl Fleet ===

impl Fleet {
    pub(super) fn new<S>(store: S, keys: SealingKeys) -> Self
    where
        S: Service<QuotaRequest, Response = QuotaReply> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        Self { store: Caller::new("quotas", store), keys }
    }

    /// What a process has of a quota that it meets for the first time.
    pub(super) fn member() -> Box<Member> {
        let asker = jitter::draw().to_bits() ^ jitter::draw().to_bits().rotate_left(32);
        Box::new(Member { hand: Hand::new(asker), task: None })
    }

    fn name(&self, key: &str) -> StoreName {
        self.keys.name("q", key.as_bytes())
    }

    /// Reads the record, asks it, and puts it back until nobody was faster.
    async fn ask(&self, name: StoreName, question: &mut Question) -> Result<End, BoxError> {
        let mut sent = Instant::now();
        let mut reply = self.store.call_once(QuotaRequest::Read { name: name.clone() }).await?;
        loop {
            let received = Instant::now();
            let QuotaReply::Record { now, record } = reply else {
                return Err("the store's reply is not one to a question".into());
            };
            let swap = match question.on_record(nanos(now), record.as_deref()) {
                Step::Done => return Ok(End::Answered(sent, received)),
                Step::Busy => return Ok(End::Busy),
                // It is left alone: each process sends by its share, or its own quota.
                Step::Foreign => return Ok(End::NotOurs),
                Step::Swap(swap) => swap,
            };
            let request = QuotaRequest::Swap {
                name: name.clone(),
                was: record,
                record: Bytes::from(swap.record),
                ttl: Duration::from_millis(swap.ttl_millis),
                deadline: Duration::from_nanos(swap.deadline),
            };
            let again = Instant::now();
            reply = self.store.call_once(request).await?;
            if reply == QuotaReply::Swapped {
                return Ok(End::Answered(sent, received));
            }
            sent = again;
        }
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").finish_non_exhaustive()
    }
}

// === impl Member ===

impl Member {
    /// Whether a task has to be spawned for a question that is due. One that is there is woken.
    pub(super) fn wants_task(&self) -> bool {
        match &self.task {
            Some(task) => {
                task.notify_one();
                false
            }
            None => true,
        }
    }

    /// The permits at hand, and whether the store is down.
    pub(super) fn permits(&self, now: Instant) -> (u32, bool) {
        (self.hand.held(now), self.hand.is_alone())
    }

    pub(super) const fn has_task(&self) -> bool {
        self.task.is_some()
    }

    pub(super) fn begin_task(&mut self, task: Arc<Notify>) {
        self.task = Some(task);
    }

    pub(super) fn end_task(&mut self) {
        self.task = None;
        self.hand.abandon();
    }

    /// Ends this task, unless another has taken its place since it found nothing to do.
    fn drop_task(&mut self, dropped: &Arc<Notify>) {
        if self.task.as_ref().is_some_and(|task| Arc::ptr_eq(task, dropped)) {
            self.end_task();
        }
    }
}

/// Spawns the task that asks for a key; without a runtime the process sends by its own quota.
pub(super) fn spawn(shared: &Arc<Shared>, index: usize) {
    let Ok(runtime) = Handle::try_current() else { return };
    let task = Arc::new(Notify::new());
    let begun = Keys::with(shared, shared.clock.now(), |table| {
        let Some(member) = &mut table.slot(index).member else { return false };
        if member.has_task() {
            return false;
        }
        member.begin_task(Arc::clone(&task));
        table.retain(index);
        true
    });
    if begun {
        let held = Task { shared: Arc::clone(shared), index, task };
        runtime.spawn(run(held));
    }
}

async fn run(held: Task) {
    let Task { shared, index, task } = &held;
    let Some(fleet) = shared.fleet.clone() else { return };
    loop {
        let now = shared.clock.now();
        let (next, counts) = Keys::with(shared, now, |table| {
            let slot = table.slot(*index);
            let counts = slot.member.as_mut().map(|member| member.hand.take_counts());
            (slot.next_question(now, |key| fleet.name(key)), counts)
        });
        count(shared, counts.unwrap_or_default());
        let Asked { mut question, ask, name } = match next {
            Next::End => return,
            Next::At(at) => {
                // It is woken early if a question is due before.
                let _ = timeout_at(at, task.notified()).await;
                continue;
            }
            Next::Ask(asked) => *asked,
        };
        let end = timeout_at(now + QUESTION, fleet.ask(name, &mut question)).await;
        let chance = jitter::draw();
        let now = shared.clock.now();
        let failure = Failure::of(&end);
        let counts = Keys::with(shared, now, |table| {
            let change = |hand: &mut Hand| match (end, question.into_answer()) {
                (Ok(Ok(End::Answered(sent, received))), Some((ledger, grant))) => {
                    hand.on_grant(&grant, ledger, &ask, sent, received, chance);
                }
                (Ok(Ok(End::Busy)), _) => hand.on_busy(&ask, now, chance),
                _ => hand.on_failure(&ask, now, chance),
            };
            table.slot_mut(*index).on_answer(change, failure)
        });
        count(shared, counts);
    }
}

fn count(shared: &Shared, counts: Counts) {
    let Counts { used, by_share, lapsed } = counts;
    for (outcome, count) in [("used", used), ("by_share", by_share), ("lapsed", lapsed)] {
        if count > 0 {
            metrics::permits(outcome, count, shared.endpoints.stack());
        }
    }
}

// === impl Failure ===

impl Failure {
    fn of(end: &Result<Result<End, BoxError>, Elapsed>) -> Self {
        match end {
            Ok(Ok(End::NotOurs)) => Self { reason: "not_ours", error: None },
            Ok(Err(error)) => Self { reason: "error", error: Some(Causes(&**error).to_string()) },
            Ok(Ok(End::Answered(..) | End::Busy)) => Self::default(),
            Err(_) => Self { reason: "timeout", error: None },
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let now = self.shared.clock.now();
        Keys::with(&self.shared, now, |table| {
            if let Some(member) = &mut table.slot(self.index).member {
                member.drop_task(&self.task);
            }
            table.release(self.index);
        });
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_is_dropped_leaves_its_successor_alone() {
        let mut member = Member { hand: Hand::new(1), task: None };
        let (old, new) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        member.begin_task(Arc::clone(&old));
        member.end_task();
        member.begin_task(Arc::clone(&new));
        member.drop_task(&old);
        assert!(member.has_task());
        member.drop_task(&new);
        assert!(!member.has_task());
    }
}
