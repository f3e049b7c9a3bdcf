//! The line under every order in which threads can take its lock; `scripts/loom` runs it.
//!
//! All of a visit is real here, from its arrival to its answer: the table, the line, the quota. No timer ever fires, so that who
//! is not called by others waits for ever, which is a deadlock that `loom` reports. Nothing is known of the server, and while
//! no answer was a success one alone may be out.

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
    admission::{Asked, Visit},
    layer::Rules,
    outcome::End,
};
use crate::{headers::Bucket, throttle::limiter::Answer};

/// What callers share: the layer's rules, and how many have a turn.
#[derive(Clone)]
struct World {
    rules: std::sync::Arc<Rules>,
    out: Arc<AtomicUsize>,
}

// === impl World ===

impl World {
    fn new() -> Self {
        Self { rules: std::sync::Arc::default(), out: Arc::new(AtomicUsize::new(0)) }
    }

    fn arrive(&self) -> Visit {
        let request = Request::get("https://id.example/users").body(()).unwrap();
        let endpoint = self.rules.endpoints.of(&request);
        Visit::begin(&self.rules, &endpoint, &request).unwrap()
    }

    /// Asks once.
    fn ask(&self, visit: &mut Visit, cx: &std::task::Context<'_>) -> Poll<()> {
        if visit.has_turn() {
            return Poll::Ready(());
        }
        match visit.ask(self.rules.clock.now(), Default::default(), None, cx.waker()) {
            Asked::Turn => Poll::Ready(()),
            Asked::Wait(_) => Poll::Pending,
            Asked::TooLate(_) => panic!("it has no time limit"),
        }
    }

    /// Waits for its turn, takes it, and hands it back with this end. Returns how many others were out.
    fn call(&self, end: &End<'_>) -> usize {
        let mut visit = self.arrive();
        block_on(poll_fn(|cx| self.ask(&mut visit, cx)));
        visit.send();
        let others = self.out.fetch_add(1, SeqCst);
        self.out.fetch_sub(1, SeqCst);
        visit.end(end);
        others
    }

    /// Asks for a turn and is dropped, whether it has got it or not.
    fn give_up(&self) {
        let mut visit = self.arrive();
        block_on(poll_fn(|cx| {
            let _asked = self.ask(&mut visit, cx);
            Poll::Ready(())
        }));
        drop(visit);
    }

    /// Does it on another thread.
    fn spawn(&self, act: impl FnOnce(&Self) + 'static) -> thread::JoinHandle<()> {
        let world = self.clone();
        thread::spawn(move || act(&world))
    }
}

fn accepted() -> End<'static> {
    End::Answer(Answer::default(), None)
}

#[test]
fn two_callers_are_served_in_every_order() {
    model(|| {
        let world = World::new();
        let other = world.spawn(|world| assert!(world.call(&accepted()) <= 1));
        assert!(world.call(&accepted()) <= 1);
        other.join().unwrap();
        // And the next one is as well.
        world.call(&accepted());
    });
}

#[test]
fn one_alone_is_out_and_everybody_is_served_in_every_order() {
    model(|| {
        let world = World::new();
        let others =
            [(), ()].map(|()| world.spawn(|world| assert_eq!(world.call(&End::Unsent), 0)));
        assert_eq!(world.call(&End::Unsent), 0);
        for other in others {
            other.join().unwrap();
        }
    });
}

#[test]
fn the_turn_of_one_who_is_dropped_goes_to_the_next_in_every_order() {
    model(|| {
        let world = World::new();
        let dropped = world.spawn(World::give_up);
        let other = world.spawn(|world| assert_eq!(world.call(&End::Unsent), 0));
        assert_eq!(world.call(&End::Unsent), 0);
        dropped.join().unwrap();
        other.join().unwrap();
    });
}

#[test]
fn one_who_waits_goes_over_to_its_bucket_in_every_order() {
    const READING: crate::throttle::limiter::Reading =
        crate::throttle::limiter::Reading { name: 1, limit: Some(9), remaining: 8, reset: None };
    model(|| {
        let world = World::new();
        let named = || {
            let readings = [Some(READING), None, None, None];
            End::Answer(Answer { readings, ..Answer::default() }, Some(Bucket::Named("bucket")))
        };
        let other = world.spawn(move |world| assert!(world.call(&named()) <= 1));
        assert!(world.call(&named()) <= 1);
        other.join().unwrap();
        let keys = world.rules.keys.lock();
        assert_eq!(keys.slots().count(), 2);
        assert!(keys.slots().all(|slot| slot.guests == 0 && slot.line.is_empty()));
    });
}
