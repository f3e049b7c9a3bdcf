use std::{
    collections::VecDeque,
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use super::{ScriptedResponse, ScriptedService, rate_limit::RateLimit};
use crate::error::BoxError;

/// The test's side of a [`ScriptedService`]: scripts its responses and shows its requests. Clones share the script.
pub struct ScriptedHandle<B = Full<Bytes>> {
    pub(super) shared: Arc<Mutex<Shared<B>>>,
    pub(super) gate: Arc<Mutex<Gate>>,
}

pub(super) struct Shared<B> {
    pub(super) responses: VecDeque<ScriptedResponse>,
    pub(super) otherwise: Box<Otherwise<B>>,
    pub(super) rate_limit: Option<RateLimit>,
    pub(super) requests: Vec<Request<B>>,
}

pub(super) type Otherwise<B> = dyn FnMut(&Request<B>) -> ScriptedResponse + Send;

/// The state that futures and permits use. It does not depend on the body's type.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) permits: usize,
    pub(super) waiters: Vec<Waker>,
    /// Makes the errors of a broken readiness.
    pub(super) broken: Option<Broken>,
    pub(super) in_flight: usize,
    pub(super) unready_calls: usize,
    pub(super) counts_unready_calls: bool,
    pub(super) poll_ready_calls: usize,
}

pub(super) struct Broken(pub(super) Box<dyn Fn() -> BoxError + Send>);

/// A permit for one call, from `poll_ready` to the end of its future.
#[derive(Debug)]
pub(super) struct Permit(pub(super) Arc<Mutex<Gate>>);

/// An attempt that has neither ended nor been dropped.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Mutex<Gate>>);

pub(super) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl ScriptedHandle ===

impl<B> ScriptedHandle<B> {
    /// Scripts the response to the next attempt that has none yet.
    pub fn push(&self, response: impl Into<ScriptedResponse>) {
        lock(&self.shared).responses.push_back(response.into());
    }

    /// Scripts a response with this status and these headers, as [`push`](Self::push) does.
    ///
    /// # Panics
    ///
    /// If the status or a header is invalid.
    pub fn respond(&self, status: u16, headers: &[(&str, &str)]) {
        let response = ScriptedResponse::status(status);
        self.push(headers.iter().fold(response, |it, (name, value)| it.header(name, value)));
    }

    /// Adds permits, and wakes the services that wait for one.
    pub fn add_permits(&self, permits: usize) {
        add_permits(&self.gate, permits);
    }

    /// Lets `poll_ready` fail with this error from now on. Such an error is final by tower's contract.
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

    /// Another instance of the service, not ready.
    #[must_use]
    pub fn service(&self) -> ScriptedService<B> {
        ScriptedService::of(self.clone())
    }

    /// The number of calls since the last [`take_requests`](Self::take_requests).
    #[must_use]
    pub fn attempts(&self) -> usize {
        lock(&self.shared).requests.len()
    }

    /// The requests since the last call of this method, in order. Their bodies are unread.
    #[allow(clippy::must_use_candidate, reason = "a test also calls it to reset the count")]
    pub fn take_requests(&self) -> Vec<Request<B>> {
        mem::take(&mut lock(&self.shared).requests)
    }

    /// The number of calls that have neither ended nor been dropped.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        lock(&self.gate).in_flight
    }

    /// The number of permits left.
    #[must_use]
    pub fn permits(&self) -> usize {
        lock(&self.gate).permits
    }

    /// The number of calls of instances that were not made ready, if they are [counted](ScriptedService::counts_unready_calls).
    #[must_use]
    pub fn unready_calls(&self) -> usize {
        lock(&self.gate).unready_calls
    }

    /// The number of calls of `poll_ready`.
    #[must_use]
    pub fn poll_ready_calls(&self) -> usize {
        lock(&self.gate).poll_ready_calls
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

// === impl InFlight ===

impl InFlight {
    pub(super) fn new(gate: &Arc<Mutex<Gate>>) -> Self {
        lock(gate).in_flight += 1;
        Self(Arc::clone(gate))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        lock(&self.0).in_flight -= 1;
    }
}
