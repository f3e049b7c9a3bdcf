//! Facts about the call in progress that the layers of one task share without allocating.
//!
//! A layer sets them while it calls and polls the service inside; a layer inside reads them. They hold on one task, so a `Buffer` or
//! a spawned task in between ends them: there `Deadline` travels in the request's extensions.

use std::{cell::Cell, task::Poll};

use tokio::time::Instant;

use super::Deadline;

thread_local! {
    static CURRENT: Ambient = const {
        Ambient {
            deadline: Cell::new(None),
            call_began: Cell::new(None),
            waiting: Cell::new(false),
            paced: Cell::new(None),
            bounds_readiness: Cell::new(false),
        }
    };
}

#[derive(Debug)]
struct Ambient {
    deadline: Cell<Option<Deadline>>,
    call_began: Cell<Option<Instant>>,
    waiting: Cell<bool>,
    paced: Cell<Option<Paced>>,
    bounds_readiness: Cell<bool>,
}

/// How a layer inside paces the next attempt of a call that was rate limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paced {
    /// It waits for its permit.
    Slowed,
    /// It is a probe: nothing was accepted since the request before it was rejected.
    Closed,
}

/// A deadline in force, until it is ended or dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Scope {
    outer: Option<Deadline>,
}

/// What the layers inside a [`Scope`] were doing when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// The request is in flight.
    Sending,
    /// A layer holds the request back: it waits for a reset, a permit or a token.
    Waiting,
}

#[inline]
pub(super) fn deadline() -> Option<Deadline> {
    CURRENT.with(|current| current.deadline.get())
}

/// The time at which the outermost layer was called, if that call is in progress, so that the layers inside need not read the clock
/// again.
#[inline]
pub(crate) fn call_began() -> Option<Instant> {
    CURRENT.with(|current| current.call_began.get())
}

/// Passes on the poll of a wait, and notes while it is pending that the call is waiting.
pub(crate) fn held_back<T>(polled: Poll<T>) -> Poll<T> {
    if polled.is_pending() {
        CURRENT.with(|current| current.waiting.set(true));
    }
    polled
}

/// Polls, and tells what the layers inside were doing.
#[inline]
pub(crate) fn activity_of<T>(poll: impl FnOnce() -> Poll<T>) -> (Poll<T>, Activity) {
    CURRENT.with(|current| {
        let outer = current.waiting.replace(false);
        let polled = poll();
        let is_waiting = current.waiting.get();
        // It holds for the layers outside as well.
        current.waiting.set(outer || is_waiting);
        (polled, if is_waiting { Activity::Waiting } else { Activity::Sending })
    })
}

/// Polls the readiness of the service inside. Also whether a layer outside ends the wait: one that does the same, or one that is being
/// called and makes a clone ready.
#[inline]
pub(crate) fn bound_readiness<T>(poll: impl FnOnce() -> Poll<T>) -> (Poll<T>, bool) {
    /// Also if the service panics.
    struct Reset(bool);

    impl Drop for Reset {
        fn drop(&mut self) {
            CURRENT.with(|current| current.bounds_readiness.set(self.0));
        }
    }

    let outer = Reset(CURRENT.with(|current| current.bounds_readiness.replace(true)));
    let polled = poll();
    (polled, outer.0 || deadline().is_some())
}

/// Notes that the response or error which is about to be returned was rate limited, and that a layer inside paces the next attempt.
pub(crate) fn will_pace(how: Paced) {
    CURRENT.with(|current| current.paced.set(Some(how)));
}

/// What a layer inside has said of that since the last call of this.
#[inline]
pub(crate) fn take_paced() -> Option<Paced> {
    CURRENT.with(|current| current.paced.take())
}

// === impl Ambient ===

impl Ambient {
    #[inline]
    fn begin(&self, deadline: Option<Deadline>) -> Scope {
        let outer = self.deadline.get();
        self.deadline.set(deadline.or(outer));
        Scope { outer }
    }
}

// === impl Scope ===

impl Scope {
    /// Puts `deadline` in force around a [`Service::call`](tower_service::Service::call) that began at `began`. Without one the
    /// deadline outside stays in force.
    #[inline]
    pub(crate) fn around_call(deadline: impl Into<Option<Deadline>>, began: Instant) -> Self {
        CURRENT.with(|current| {
            current.call_began.set(Some(began));
            current.begin(deadline.into())
        })
    }

    /// Puts `deadline` in force around a poll. Without one the deadline outside stays in force.
    #[inline]
    pub(crate) fn around_poll(deadline: impl Into<Option<Deadline>>) -> Self {
        CURRENT.with(|current| {
            // Between a call and a poll time may pass.
            current.call_began.set(None);
            current.waiting.set(false);
            current.begin(deadline.into())
        })
    }

    /// Ends it, and returns what the layers inside were doing.
    #[inline]
    pub(crate) fn end(self) -> Activity {
        drop(self);
        let waiting = CURRENT.with(|current| current.waiting.get());
        if waiting { Activity::Waiting } else { Activity::Sending }
    }
}

impl Drop for Scope {
    #[inline]
    fn drop(&mut self) {
        // `waiting` stays set, because it holds for the layers outside as well.
        CURRENT.with(|current| {
            current.call_began.set(None);
            current.deadline.set(self.outer);
        });
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
            let _scope = Scope::around_call(deadline, deadline.instant());
            panic!("inside");
        });
        assert!(caught.is_err());
        assert_eq!(super::deadline(), None);
        assert_eq!(call_began(), None);
    }

    #[test]
    fn waiting_is_seen_by_every_layer_outside_and_forgotten_by_the_next_poll() {
        let outer = Deadline::at(Instant::now() + Duration::from_secs(2));
        let inner = Deadline::at(Instant::now() + Duration::from_secs(1));
        let outside = Scope::around_poll(outer);
        let inside = Scope::around_poll(inner);
        assert!(held_back(Poll::<()>::Pending).is_pending());
        assert_eq!(inside.end(), Activity::Waiting);
        assert_eq!(deadline(), Some(outer));
        assert_eq!(outside.end(), Activity::Waiting);
        assert_eq!(Scope::around_poll(outer).end(), Activity::Sending);
    }

    #[test]
    fn the_beginning_of_a_call_is_forgotten_at_a_poll() {
        let now = Instant::now();
        let deadline = Deadline::at(now + Duration::from_secs(1));
        let call = Scope::around_call(deadline, now);
        assert_eq!(call_began(), Some(now));
        let poll = Scope::around_poll(deadline);
        assert_eq!(call_began(), None);
        drop(poll);
        assert_eq!(call_began(), None);
        drop(call);
    }
}
