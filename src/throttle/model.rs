//! The queue under every order in which threads can take its lock; `scripts/loom` runs it.
//!
//! All of an admission is real, from arrival to response: the slots, the queue, the quota. No timer ever fires, so a request that is
//! not woken by others waits for ever, which loom reports as a deadlock. Nothing is known of the server, and before the first success a
//! single request may be in flight.

use std::{future::poll_fn, task::Poll};

use http::Request;
use loom::{
    future::block_on,
    model,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use super::{
    admission::{Admission, PermitPoll},
    layer::Shared,
    limiter::{Observation, Reading},
    outcome::AttemptOutcome,
    queue::Patience,
};
use crate::headers::Bucket;

/// What callers share: the layer's settings, and the number of requests in flight.
#[derive(Clone)]
struct World {
    shared: std::sync::Arc<Shared>,
    in_flight: Arc<AtomicUsize>,
}

// === impl World ===

impl World {
    fn new() -> Self {
        Self { shared: std::sync::Arc::default(), in_flight: Arc::new(AtomicUsize::new(0)) }
    }

    fn arrive(&self) -> Admission {
        let request = Request::get("https://id.example/users").body(()).unwrap();
        let endpoint = self.shared.endpoints.of(&request);
        Admission::of_origin(&self.shared, &endpoint, &request).unwrap()
    }

    fn poll(&self, admission: &mut Admission, cx: &std::task::Context<'_>) -> Poll<()> {
        if admission.has_permit() {
            return Poll::Ready(());
        }
        let now = self.shared.clock.now();
        let until = now + std::time::Duration::from_secs(3_600);
        let (priority, route) = Default::default();
        let patience = Patience { priority, until, deadline: None, route };
        match admission.poll_permit(now, patience, cx.waker()) {
            PermitPoll::Ready => Poll::Ready(()),
            PermitPoll::Pending(_) => Poll::Pending,
            PermitPoll::TooLate(_) => panic!("it has no deadline"),
        }
    }

    /// Waits for a permit, sends, and ends with this outcome. Returns how many others were in flight.
    fn call(&self, outcome: &AttemptOutcome<'_>) -> usize {
        let mut admission = self.arrive();
        block_on(poll_fn(|cx| self.poll(&mut admission, cx)));
        admission.send();
        let others = self.in_flight.fetch_add(1, SeqCst);
        self.in_flight.fetch_sub(1, SeqCst);
        admission.end(outcome);
        others
    }

    /// Asks for a permit and is dropped, whether it has one or not.
    fn give_up(&self) {
        let mut admission = self.arrive();
        block_on(poll_fn(|cx| {
            let _polled = self.poll(&mut admission, cx);
            Poll::Ready(())
        }));
        drop(admission);
    }

    fn spawn(&self, act: impl FnOnce(&Self) + 'static) -> thread::JoinHandle<()> {
        let world = self.clone();
        thread::spawn(move || act(&world))
    }
}

fn accepted() -> AttemptOutcome<'static> {
    AttemptOutcome::Response(Observation::default(), None)
}

#[test]
fn two_callers_are_served_in_every_order() {
    model(|| {
        let world = World::new();
        let other = world.spawn(|world| assert!(world.call(&accepted()) <= 1));
        assert!(world.call(&accepted()) <= 1);
        other.join().unwrap();
        // And so is the next one.
        world.call(&accepted());
    });
}

#[test]
fn a_single_request_is_in_flight_and_all_are_served_in_every_order() {
    model(|| {
        let world = World::new();
        let others = [(), ()]
            .map(|()| world.spawn(|world| assert_eq!(world.call(&AttemptOutcome::Unsent), 0)));
        assert_eq!(world.call(&AttemptOutcome::Unsent), 0);
        for other in others {
            other.join().unwrap();
        }
    });
}

#[test]
fn the_permit_of_a_dropped_call_goes_to_the_next_in_every_order() {
    model(|| {
        let world = World::new();
        let dropped = world.spawn(World::give_up);
        let other = world.spawn(|world| assert_eq!(world.call(&AttemptOutcome::Unsent), 0));
        assert_eq!(world.call(&AttemptOutcome::Unsent), 0);
        dropped.join().unwrap();
        other.join().unwrap();
    });
}

#[test]
fn a_queued_request_moves_to_its_bucket_in_every_order() {
    const READING: Reading = Reading { name: 1, limit: Some(9), remaining: 8, reset: None };
    model(|| {
        let world = World::new();
        let named = || {
            let readings = [Some(READING), None, None, None];
            let seen = Observation { readings, ..Observation::default() };
            AttemptOutcome::Response(seen, Some(Bucket::Named("bucket")))
        };
        let other = world.spawn(move |world| assert!(world.call(&named()) <= 1));
        assert!(world.call(&named()) <= 1);
        other.join().unwrap();
        let idle = world.shared.keys.read(|slot| slot.users == 0 && slot.queue.is_empty());
        assert_eq!(idle, [true, true]);
    });
}
