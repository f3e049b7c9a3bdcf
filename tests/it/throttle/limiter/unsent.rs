//! A turn whose request never left is given back.

use std::time::Duration;

use tokio::time::Instant;
use tower_heed::throttle::limiter::{Answer, Kind, Quota, Ticket, Turn};

const MILLI: Duration = Duration::from_millis(1);

fn turn(quota: &mut Quota, now: Instant) -> Ticket {
    match quota.next_turn(now) {
        Turn::Now(ticket) => ticket,
        turn => panic!("{turn:?}"),
    }
}

fn refused() -> Answer {
    Answer { refused: true, ..Answer::default() }
}

/// Waits for a turn, and takes it.
fn wait(quota: &mut Quota, now: &mut Instant) -> Ticket {
    loop {
        match quota.next_turn(*now) {
            Turn::Now(ticket) => return ticket,
            Turn::At(at) => *now = at,
            turn => panic!("{turn:?}"),
        }
    }
}

/// A quota that has learned a pace.
fn paced(now: &mut Instant) -> Quota {
    let mut quota = Quota::new();
    for _ in 0..20 {
        let ticket = wait(&mut quota, now);
        *now += MILLI;
        quota.on_answer(ticket, *now, &Answer::default());
    }
    // Refused soon, when it goes on: so it is no window.
    for accepted in [false, true, false] {
        let ticket = wait(&mut quota, now);
        *now += MILLI;
        quota.on_answer(ticket, *now, &Answer { refused: !accepted, ..Answer::default() });
    }
    assert!(matches!(quota.snapshot(*now).kind, Kind::Bucket { .. }), "{:?}", quota.snapshot(*now));
    quota
}

#[test]
fn a_turn_that_was_not_used_is_there_again_and_in_no_doubt() {
    let (mut quota, now) = (Quota::new(), Instant::now());
    for _ in 0..3 {
        let ticket = turn(&mut quota, now);
        assert!(matches!(quota.next_turn(now), Turn::AfterAnswer { .. }));
        quota.on_unsent(ticket, now);
        assert_eq!(quota.snapshot(now).in_flight, 0);
    }
    let ticket = turn(&mut quota, now);
    quota.on_lost(ticket, now);
    assert_eq!(quota.snapshot(now).in_flight, 1, "a lost one is in doubt");
    assert!(matches!(quota.next_turn(now), Turn::AfterAnswer { .. }));
}

#[test]
fn a_probe_that_never_left_may_be_made_at_once() {
    let (mut quota, mut now) = (Quota::new(), Instant::now());
    for _ in 0..3 {
        let ticket = wait(&mut quota, &mut now);
        quota.on_answer(ticket, now + MILLI, &refused());
    }
    let probe = wait(&mut quota, &mut now);
    assert!(!matches!(quota.next_turn(now), Turn::Now(_)), "one alone may go");
    quota.on_unsent(probe, now);
    let _probe = turn(&mut quota, now);
}

#[test]
fn a_step_of_a_pace_that_was_not_made_is_made_by_the_next_and_by_no_more() {
    let mut now = Instant::now();
    let mut quota = paced(&mut now);
    let ticket = wait(&mut quota, &mut now);
    quota.on_unsent(ticket, now);
    let _next = turn(&mut quota, now);
    assert!(matches!(quota.next_turn(now), Turn::At(_)), "two at once");
}

#[test]
fn a_pace_does_not_quicken_by_what_never_left() {
    let mut now = Instant::now();
    let mut quota = paced(&mut now);
    let Kind::Bucket { per_second: before } = quota.snapshot(now).kind else { unreachable!() };
    for _ in 0..200 {
        let ticket = wait(&mut quota, &mut now);
        quota.on_unsent(ticket, now);
        now += 100 * MILLI;
    }
    let Kind::Bucket { per_second } = quota.snapshot(now).kind else { unreachable!() };
    assert!(per_second <= before, "{before} became {per_second}");
}
