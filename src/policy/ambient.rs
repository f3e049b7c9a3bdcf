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

/// What the inside of [`within`] was doing when it returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// The request is on its way.
    Sending,
    /// A layer holds the request back: it waits for a reset, a turn or a token.
    Waiting,
}

pub(super) fn deadline() -> Option<Deadline> {
    CURRENT.get().deadline
}

/// Says that the call in progress is being held back by the layer that is polled now.
pub(crate) fn report_waiting() {
    CURRENT.set(Ambient { waiting: true, ..CURRENT.get() });
}

/// Runs `f` with `deadline` in force, and tells what the inside was doing at its end.
///
/// The caller passes the earlier of its own deadline and the one that it found.
pub(crate) fn within<T>(deadline: Deadline, f: impl FnOnce() -> T) -> (T, Activity) {
    struct Restore(Option<Deadline>);
    impl Drop for Restore {
        fn drop(&mut self) {
            // `waiting` is left as the inside set it: what it says holds for the layers outside as well.
            CURRENT.set(Ambient { deadline: self.0, ..CURRENT.get() });
        }
    }

    let restore = Restore(CURRENT.get().deadline);
    CURRENT.set(Ambient { deadline: Some(deadline), waiting: false });
    let output = f();
    drop(restore);
    let activity = if CURRENT.get().waiting { Activity::Waiting } else { Activity::Sending };
    (output, activity)
}

#[cfg(test)]
mod tests {
    use std::{panic, time::Duration};

    use tokio::time::Instant;

    use super::*;

    #[test]
    fn what_is_set_inside_ends_with_it_also_on_a_panic() {
        let deadline = Deadline::at(Instant::now() + Duration::from_secs(1));
        let caught = panic::catch_unwind(|| within(deadline, || panic!("inside")));
        assert!(caught.is_err());
        assert_eq!(super::deadline(), None);
    }

    #[test]
    fn waiting_is_seen_by_every_layer_outside_and_forgotten_by_the_next_poll() {
        let outer = Deadline::at(Instant::now() + Duration::from_secs(2));
        let inner = Deadline::at(Instant::now() + Duration::from_secs(1));
        let (inside, outside) = within(outer, || within(inner, report_waiting).1);
        assert_eq!((inside, outside), (Activity::Waiting, Activity::Waiting));
        assert_eq!(within(outer, || ()).1, Activity::Sending);
    }
}
