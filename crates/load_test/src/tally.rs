//! What goes over the wire, counted below every strategy.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use http::StatusCode;
use tokio::time::Instant;

/// What went over the wire; clones share it.
#[derive(Clone, Debug)]
pub struct Tally(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    begun: Instant,
    connections: AtomicUsize,
    attempts: AtomicUsize,
    rejected: AtomicUsize,
    broken: AtomicUsize,
    responses: Mutex<Vec<Received>>,
}

/// A response that came back.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// When, since the tally was begun.
    pub at: Duration,
    /// It was a 429.
    pub rejected: bool,
}

// === impl Tally ===

impl Tally {
    pub fn begin() -> Self {
        Self(Arc::new(Counts {
            begun: Instant::now(),
            connections: AtomicUsize::new(0),
            attempts: AtomicUsize::new(0),
            rejected: AtomicUsize::new(0),
            broken: AtomicUsize::new(0),
            responses: Mutex::default(),
        }))
    }

    /// A connection was made.
    pub fn connected(&self) {
        self.0.connections.fetch_add(1, Relaxed);
    }

    /// A request was sent.
    pub fn sent(&self) {
        self.0.attempts.fetch_add(1, Relaxed);
    }

    /// It got its response, or will get none.
    pub fn ended(&self, response: Option<StatusCode>) {
        let Some(status) = response else {
            self.0.broken.fetch_add(1, Relaxed);
            return;
        };
        let at = Instant::now().saturating_duration_since(self.0.begun);
        let rejected = status == StatusCode::TOO_MANY_REQUESTS;
        self.0.rejected.fetch_add(usize::from(rejected), Relaxed);
        let mut responses = self.0.responses.lock().unwrap_or_else(PoisonError::into_inner);
        responses.push(Received { at, rejected });
    }

    pub fn connections(&self) -> usize {
        self.0.connections.load(Relaxed)
    }

    pub fn attempts(&self) -> usize {
        self.0.attempts.load(Relaxed)
    }

    /// Responses that were 429.
    pub fn rejected(&self) -> usize {
        self.0.rejected.load(Relaxed)
    }

    /// Requests without a response: the server is down, or the connection broke.
    pub fn broken(&self) -> usize {
        self.0.broken.load(Relaxed)
    }

    pub fn responses(&self) -> Vec<Received> {
        self.0.responses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
