//! What is done once the lock is released: waking and logging run code of others, which may come back here.

use std::{sync::Arc, task::Waker, time::Duration};

use super::{events, line::Seat};
use crate::policy::quota::Kind;

/// What is done once the lock is released.
#[derive(Debug, Default)]
#[must_use = "somebody may have to be woken"]
pub(super) struct After {
    /// Who asks is not woken: it is told.
    me: Option<Seat>,
    wake: Vec<Waker>,
    /// Dropping a waker may drop a task.
    drop: Vec<Waker>,
    notices: Vec<Notice>,
}

/// A change of state that is logged.
#[derive(Debug)]
pub(super) enum Notice {
    /// The first request is held back.
    Held { key: Arc<str>, wait: Option<Duration> },
    /// None is held back any more.
    Released { key: Arc<str>, held: Duration, requests: u64 },
    /// The server's limit was learnt, or has changed.
    Learnt { key: Arc<str>, kind: Kind, limit: Option<u64> },
    /// There is no room for another key.
    Full { max_keys: usize },
}

// === impl After ===

impl After {
    pub(super) fn is_asked_by(&mut self, seat: Seat) {
        self.me = Some(seat);
    }

    pub(super) fn wake(&mut self, called: Option<(Seat, Waker)>) {
        if let Some((seat, waker)) = called {
            let list = if self.me == Some(seat) { &mut self.drop } else { &mut self.wake };
            list.push(waker);
        }
    }

    pub(super) fn drop(&mut self, waker: Option<Waker>) {
        self.drop.extend(waker);
    }

    pub(super) fn log(&mut self, notice: Notice) {
        self.notices.push(notice);
    }

    pub(super) fn run(self) {
        self.wake.into_iter().for_each(Waker::wake);
        self.notices.iter().for_each(events::log);
    }
}
