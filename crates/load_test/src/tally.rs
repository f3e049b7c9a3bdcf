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
    sends: AtomicUsize,
    refused: AtomicUsize,
    broken: AtomicUsize,
    answers: Mutex<Vec<Answer>>,
}

/// An answer that came back.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// When, since the tally was begun.
    pub at: Duration,
    /// It was a 429.
    pub refused: bool,
}

// === impl Tally ===

impl Tally {
    pub fn begin() -> Self {
        Self(Arc::new(Counts {
            begun: Instant::now(),
            connections: AtomicUsize::new(0),
            sends: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            broken: AtomicUsize::new(0),
            answers: Mutex::default(),
        }))
    }

    /// A connection was made.
    pub fn connected(&self) {
        self.0.connections.fetch_add(1, Relaxed);
    }

    /// A request was sent.
    pub fn sent(&self) {
        self.0.sends.fetch_add(1, Relaxed);
    }

    /// It was answered, or will not be.
    pub fn ended(&self, answer: Option<StatusCode>) {
        let Some(status) = answer else {
            self.0.broken.fetch_add(1, Relaxed);
            return;
        };
        let at = Instant::now().saturating_duration_since(self.0.begun);
        let refused = status == StatusCode::TOO_MANY_REQUESTS;
        self.0.refused.fetch_add(usize::from(refused), Relaxed);
        let mut answers = self.0.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.push(Answer { at, refused });
    }

    pub fn connections(&self) -> usize {
        self.0.connections.load(Relaxed)
    }

    pub fn sends(&self) -> usize {
        self.0.sends.load(Relaxed)
    }

    /// Answers that were 429.
    pub fn refused(&self) -> usize {
        self.0.refused.load(Relaxed)
    }

    /// Requests without an answer: nobody listens, or the connection broke.
    pub fn broken(&self) -> usize {
        self.0.broken.load(Relaxed)
    }

    pub fn answers(&self) -> Vec<Answer> {
        self.0.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
