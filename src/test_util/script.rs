//! The test's side of a scripted service, and what the two share.

use std::{
    collections::VecDeque,
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use super::{Answer, ScriptedService, limit::Limit};
use crate::error::BoxError;

/// The test's side of a [`ScriptedService`]: says what is answered, and tells what was asked. Clones are the same.
pub struct ScriptedHandle<B = Full<Bytes>> {
    pub(super) shared: Arc<Mutex<Shared<B>>>,
    pub(super) gate: Arc<Mutex<Gate>>,
}

pub(super) struct Shared<B> {
    pub(super) answers: VecDeque<Answer>,
    pub(super) otherwise: Box<Otherwise<B>>,
    pub(super) limit: Option<Limit>,
    pub(super) requests: Vec<Request<B>>,
}

pub(super) type Otherwise<B> = dyn FnMut(&Request<B>) -> Answer + Send;

/// What futures and permits have to know; it is apart so that they do not depend on the body.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) permits: usize,
    pub(super) waiters: Vec<Waker>,
    /// Makes the errors of a readiness that is broken.
    pub(super) broken: Option<Broken>,
    pub(super) in_flight: usize,
    pub(super) unready_calls: usize,
    pub(super) counts_unready_calls: bool,
    pub(super) readiness_asked: usize,
}

pub(super) struct Broken(pub(super) Box<dyn Fn() -> BoxError + Send>);

/// Leave for one call, from `poll_ready` to the end of its future.
#[derive(Debug)]
pub(super) struct Permit(pub(super) Arc<Mutex<Gate>>);

/// A send that is neither done nor dropped.
#[derive(Debug)]
pub(super) struct Underway(Arc<Mutex<Gate>>);

pub(super) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl ScriptedHandle ===

impl<B> ScriptedHandle<B> {
    /// Answers the next send that has no answer yet. Several are given in the order in which they were scripted.
    pub fn answer(&self, answer: impl Into<Answer>) {
        lock(&self.shared).answers.push_back(answer.into());
    }

    /// Answers the next send with this status and these header fields, which is the most usual [`answer`](Self::answer).
    ///
    /// # Panics
    ///
    /// If they cannot be in a response.
    pub fn respond(&self, status: u16, headers: &[(&str, &str)]) {
        let answer = Answer::status(status);
        self.answer(
            headers.iter().fold(answer, |answer, (name, value)| answer.header(name, value)),
        );
    }

    /// Lets that many more calls be ready or under way, and wakes those who wait.
    pub fn add_permits(&self, permits: usize) {
        add_permits(&self.gate, permits);
    }

    /// From now on `poll_ready` fails with this error, which tower's contract calls final.
    pub fn break_readiness<E>(&self, error: E)
    where
        E: Into<BoxError> + Clone + Send + 'static,
    {
        let waiters = {
            let mut gate = lock(&self.gate);
            gate.broken = Some(Broken(Box::new(move || error.clone().into())));
            mem::take(&mut gate.waiters)
        };
        waiters.into_iter().for_each(Waker::wake);
    }

    /// One more instance of the service, not ready.
    #[must_use]
    pub fn service(&self) -> ScriptedService<B> {
        ScriptedService::of(self.clone())
    }

    /// How many calls were made, since the requests were [taken](Self::take_requests) last.
    #[must_use]
    pub fn sends(&self) -> usize {
        lock(&self.shared).requests.len()
    }

    /// The requests as they came, since this was asked last. Their bodies are as they were sent: nothing has read them.
    #[must_use]
    pub fn take_requests(&self) -> Vec<Request<B>> {
        mem::take(&mut lock(&self.shared).requests)
    }

    /// How many calls are neither done nor dropped.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        lock(&self.gate).in_flight
    }

    /// How many permits are left.
    #[must_use]
    pub fn permits(&self) -> usize {
        lock(&self.gate).permits
    }

    /// How many calls were made of instances that were not made ready, where these are
    /// [counted](ScriptedService::counts_unready_calls).
    #[must_use]
    pub fn unready_calls(&self) -> usize {
        lock(&self.gate).unready_calls
    }

    /// How often `poll_ready` was asked.
    #[must_use]
    pub fn readiness_asked(&self) -> usize {
        lock(&self.gate).readiness_asked
    }
}

impl<B> Clone for ScriptedHandle<B> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), gate: Arc::clone(&self.gate) }
    }
}

impl<B> fmt::Debug for ScriptedHandle<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedHandle").field("gate", &self.gate).finish_non_exhaustive()
    }
}

fn add_permits(gate: &Mutex<Gate>, permits: usize) {
    let waiters = {
        let mut gate = lock(gate);
        gate.permits = gate.permits.saturating_add(permits);
        mem::take(&mut gate.waiters)
    };
    waiters.into_iter().for_each(Waker::wake);
}

// === impl Broken ===

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Broken")
    }
}

// === impl Permit ===

impl Drop for Permit {
    fn drop(&mut self) {
        add_permits(&self.0, 1);
    }
}

// === impl Underway ===

impl Underway {
    pub(super) fn new(gate: &Arc<Mutex<Gate>>) -> Self {
        lock(gate).in_flight += 1;
        Self(Arc::clone(gate))
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        lock(&self.0).in_flight -= 1;
    }
}
