//! What is done once the lock is released: waking and logging run code of others, which may come back here.

use std::{sync::Arc, task::Waker, time::Duration};

use super::{events, queue::Seat};
use crate::throttle::limiter::Kind;

/// What is done once the lock is released.
#[derive(Debug, Default)]
#[must_use = "somebody may have to be woken"]
pub(super) struct After {
    /// Who asks is not woken: it is told.
    me: Option<Seat>,
    /// None most often, which is less to look after than an empty list.
    deeds: Option<Vec<Deed>>,
}

#[derive(Debug)]
enum Deed {
    Wake(Waker),
    /// Dropping a waker may drop a task.
    Drop(Waker),
    Log(Notice),
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
            let is_me = self.me == Some(seat);
            self.add(if is_me { Deed::Drop(waker) } else { Deed::Wake(waker) });
        }
    }

    pub(super) fn drop(&mut self, waker: Option<Waker>) {
        if let Some(waker) = waker {
            self.add(Deed::Drop(waker));
        }
    }

    pub(super) fn log(&mut self, notice: Notice) {
        self.add(Deed::Log(notice));
    }

    fn add(&mut self, deed: Deed) {
        self.deeds.get_or_insert_default().push(deed);
    }

    #[inline]
    pub(super) fn run(self) {
        if let Some(deeds) = self.deeds {
            run_all(deeds);
        }
    }
}

#[cold]
fn run_all(deeds: Vec<Deed>) {
    deeds.into_iter().for_each(Deed::run);
}

// === impl Deed ===

impl Deed {
    fn run(self) {
        match self {
            Self::Wake(waker) => waker.wake(),
            Self::Drop(waker) => drop(waker),
            Self::Log(notice) => events::log(&notice),
        }
    }
}
