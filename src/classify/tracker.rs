//! The session that services share, and the task that runs its handler.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    AuthStatus, events,
    session::{Evidence, Generation, Session, Snapshot, Step},
};
use crate::clock::Clock;

/// The closure given to [`on_unauthenticated`](super::ErrorClassifyLayer::on_unauthenticated).
pub(super) type Handler = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// One session, shared by all services of a layer and of its clones.
#[derive(Debug)]
pub(super) struct Tracker {
    /// The session's [`Snapshot`], so that a response that changes nothing takes no lock.
    word: AtomicU64,
    session: Mutex<Session>,
    status: watch::Sender<AuthStatus>,
}

/// Ends a run when the handler returns, panics, or is dropped with its runtime.
struct Run {
    tracker: Arc<Tracker>,
    stack: Option<Arc<str>>,
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

    /// The generation of a request that is sent now.
    #[inline]
    pub(super) fn generation(&self) -> Generation {
        self.snapshot().generation()
    }

    /// Takes in what the response to a request says that was sent in the generation `sent`, and starts the handler if it is due.
    #[inline]
    pub(super) fn observe(
        self: &Arc<Self>,
        evidence: Evidence,
        sent: Generation,
        handler: Option<&Handler>,
        stack: Option<&Arc<str>>,
        clock: &Clock,
    ) {
        if !self.snapshot().is_settled(evidence, handler.is_some()) {
            self.apply(evidence, sent, handler, stack, clock);
        }
    }

    fn apply(
        self: &Arc<Self>,
        evidence: Evidence,
        sent: Generation,
        handler: Option<&Handler>,
        stack: Option<&Arc<str>>,
        clock: &Clock,
    ) {
        let name = stack.map(|name| &**name);
        let startable = handler.map(|handler| (handler, Handle::try_current()));
        let may_start = matches!(startable, Some((_, Ok(_))));
        let step = self.step(evidence, sent, may_start, clock.now());
        if let Some((from, to)) = step.change {
            events::status_changed(name, from, to);
            if let (AuthStatus::Unauthenticated, Some((_, Err(_)))) = (to, &startable) {
                events::no_runtime(name);
            }
        }
        let Some((handler, Ok(runtime))) = startable else { return };
        if step.starts {
            let run = Run { tracker: Arc::clone(self), stack: stack.cloned() };
            // The handler is called on its task, so that it does not delay the response.
            drop(runtime.spawn(run.handle(Arc::clone(handler))));
        }
        if let Some(at) = step.retry_at {
            drop(runtime.spawn(self.retry(at, handler, stack.cloned(), clock.clone())));
        }
    }

    /// Waits until the handler may run again, and runs it if it is still due. It keeps neither the session nor the handler, which
    /// may itself hold a client of the session.
    fn retry(
        self: &Arc<Self>,
        mut at: Instant,
        handler: &Handler,
        stack: Option<Arc<str>>,
        clock: Clock,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (tracker, handler) = (Arc::downgrade(self), Arc::downgrade(handler));
        let mut status = self.subscribe();
        async move {
            loop {
                let gone = async { while status.changed().await.is_ok() {} };
                if timeout_at(at, gone).await.is_ok() {
                    return;
                }
                let Some((tracker, handler)) = tracker.upgrade().zip(handler.upgrade()) else {
                    return;
                };
                let step = {
                    let mut session = tracker.lock();
                    let step = session.start(clock.now());
                    tracker.publish(&session);
                    step
                };
                if step.starts {
                    return Run { tracker, stack }.handle(handler).await;
                }
                let Some(next) = step.retry_at else { return };
                at = next;
            }
        }
    }

    /// Changes the session inside the watch channel's own lock, so that receivers see the changes in order and are woken when no
    /// lock is held.
    fn step(&self, evidence: Evidence, sent: Generation, may_start: bool, now: Instant) -> Step {
        let mut step = Step::default();
        self.status.send_if_modified(|status| {
            let mut session = self.lock();
            step = session.observe(evidence, sent, may_start, now);
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

// === impl Run ===

impl Run {
    async fn handle(self, handler: Handler) {
        let _run = self;
        handler().await;
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if thread::panicking() {
            events::handler_panicked(self.stack.as_deref());
        }
        let mut session = self.tracker.lock();
        session.run_ended();
        self.tracker.publish(&session);
    }
}
