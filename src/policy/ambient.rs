//! Facts about the call in progress that the layers of one task share without allocating.
//!
//! A layer around others sets them while it calls and polls what it wraps; a layer inside reads them. They hold for
//! whatever runs on the same task between the two, so a `Buffer` or a spawned task in between ends them: those carry
//! `Deadline` in the request's extensions instead.

use std::cell::Cell;

use super::Deadline;

thread_local! {
    static CURRENT: Cell<Ambient> = const { Cell::new(Ambient { deadline: None, waiting: false }) };
}

#[derive(Clone, Copy, Debug)]
struct Ambient {
    deadline: Option<Deadline>,
    waiting: bool,
}

/// A deadline in force, from [`enter`](Self::enter) until it is ended or dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Scope {
    outer: Option<Deadline>,
}

/// What the inside of a [`Scope`] was doing when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// The request is on its way.
    Sending,
    /// A layer holds the request back: it waits for a reset, a turn or a token.
    Waiting,
}

#[inline]
pub(super) fn deadline() -> Option<Deadline> {
    CURRENT.get().deadline
}

/// Says that the call in progress is being held back by the layer that is polled now.
pub(crate) fn report_waiting() {
    CURRENT.set(Ambient { waiting: true, ..CURRENT.get() });
}

// === impl Scope ===

impl Scope {
    /// Puts `deadline` in force: the earlier of the caller's own and the one that it found.
    #[inline]
    pub(crate) fn enter(deadline: Deadline) -> Self {
        let outer = CURRENT.replace(Ambient { deadline: Some(deadline), waiting: false });
        Self { outer: outer.deadline }
    }

    /// Ends it, and tells what the inside was doing.
    #[inline]
    pub(crate) fn end(self) -> Activity {
        drop(self);
        if CURRENT.get().waiting { Activity::Waiting } else { Activity::Sending }
    }
}

impl Drop for Scope {
    #[inline]
    fn drop(&mut self) {
        // `waiting` is left as the inside set it: what it says holds for the layers outside as well.
        CURRENT.set(Ambient { deadline: self.outer, ..CURRENT.get() });
    }
}

#[cfg(test)]
mod tests {
    use std::{panic, time::Duration};

    use tokio::time::Instant;

    use super::*;

    #[test]
    fn what_is_set_inside_ends_with_it_also_on_a_panic() {
        let deadline = Deadline::at(Instant::now() + Duration::from_secs(1));
        let caught = panic::catch_unwind(|| {
            let _scope = Scope::enter(deadline);
            panic!("inside");
        });
        assert!(caught.is_err());
        assert_eq!(super::deadline(), None);
    }

    #[test]
    fn waiting_is_seen_by_every_layer_outside_and_forgotten_by_the_next_poll() {
        let outer = Deadline::at(Instant::now() + Duration::from_secs(2));
        let inner = Deadline::at(Instant::now() + Duration::from_secs(1));
        let outside = Scope::enter(outer);
        let inside = Scope::enter(inner);
        report_waiting();
        assert_eq!(inside.end(), Activity::Waiting);
        assert_eq!(deadline(), Some(outer));
        assert_eq!(outside.end(), Activity::Waiting);
        assert_eq!(Scope::enter(outer).end(), Activity::Sending);
    }
}
