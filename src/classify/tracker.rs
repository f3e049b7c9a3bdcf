use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio::{runtime::Handle, sync::watch};

use super::{
    AuthStatus, events,
    handler::{self, Handler},
    session::{Evidence, Point, Session, Snapshot, Step},
};

/// One session, shared by all services of a layer and of its clones.
#[derive(Debug)]
pub(super) struct Tracker {
    /// The session's [`Snapshot`], so that an answer that changes nothing takes no lock.
    word: AtomicU64,
    session: Mutex<Session>,
    status: watch::Sender<AuthStatus>,
}

// === impl Tracker ===

impl Tracker {
    pub(super) fn new() -> Self {
        let session = Session::default();
        Self {
            word: AtomicU64::new(session.snapshot().pack()),
            status: watch::Sender::new(session.snapshot().status()),
            session: Mutex::new(session),
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<AuthStatus> {
        self.status.subscribe()
    }

    /// The moment to remember with a request that is sent now.
    #[inline]
    pub(super) fn now(&self) -> Point {
        self.snapshot().now()
    }

    /// Takes in what the answer to a request says that was sent at `sent`, and starts the handler if that is due.
    #[inline]
    pub(super) fn observe(
        self: &Arc<Self>,
        evidence: Evidence,
        sent: Point,
        handler: Option<&Handler>,
    ) {
        if !self.snapshot().is_settled(evidence, handler.is_some()) {
            self.take_in(evidence, sent, handler);
        }
    }

    fn take_in(self: &Arc<Self>, evidence: Evidence, sent: Point, handler: Option<&Handler>) {
        let startable = handler.map(|handler| (handler, Handle::try_current()));
        let may_start = matches!(startable, Some((_, Ok(_))));
        let step = self.step(evidence, sent, may_start);
        if let Some((from, to)) = step.change {
            events::status_changed(from, to);
            if let (AuthStatus::Unauthenticated, Some((_, Err(_)))) = (to, &startable) {
                events::no_runtime();
            }
        }
        if let (true, Some((handler, Ok(runtime)))) = (step.start, startable) {
            handler::start(self, handler, &runtime);
        }
    }

    pub(super) fn run_ended(&self) {
        let mut session = self.lock();
        session.run_ended();
        self.publish(&session);
    }

    /// The step is made inside the watch channel's own lock, so that receivers see the changes in their order, and are
    /// woken when no lock is held.
    fn step(&self, evidence: Evidence, sent: Point, may_start: bool) -> Step {
        let mut step = Step::default();
        self.status.send_if_modified(|status| {
            let mut session = self.lock();
            step = session.observe(evidence, sent, may_start);
            self.publish(&session);
            *status = session.snapshot().status();
            step.change.is_some()
        });
        step
    }

    #[inline]
    fn snapshot(&self) -> Snapshot {
        Snapshot::unpack(self.word.load(Ordering::Acquire))
    }

    fn publish(&self, session: &MutexGuard<'_, Session>) {
        self.word.store(session.snapshot().pack(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
