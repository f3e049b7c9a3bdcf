//! A turn whose request never left is given back.

use std::time::Duration;

use tokio::time::Instant;
use tower_heed::__internals::{Availability, Observation, Permit, Quota};
use tower_heed::throttle::LimiterKind;

const MILLI: Duration = Duration::from_millis(1);

fn turn(quota: &mut Quota, now: Instant) -> Permit {
    match quota.acquire(now) {
        Availability::Now(permit) => permit,
        turn => panic!("{turn:?}"),
    }
}

fn refused() -> Observation {
    Observation { rate_limited: true, ..Observation::default() }
}

/// Waits for a turn, and takes it.
fn wait(quota: &mut Quota, now: &mut Instant) -> Permit {
    loop {
        match quota.acquire(*now) {
            Availability::Now(permit) => return permit,
            Availability::At(at) => *now = at,
            turn => panic!("{turn:?}"),
        }
    }
}

/// A quota that has learned a pace.
fn paced(now: &mut Instant) -> Quota {
    let mut quota = Quota::new();
    for _ in 0..20 {
        let permit = wait(&mut quota, now);
        *now += MILLI;
        quota.on_response(permit, *now, &Observation::default());
    }
    // Refused soon, when it goes on: so it is no window.
    for accepted in [false, true, false] {
        let permit = wait(&mut quota, now);
        *now += MILLI;
        quota.on_response(
            permit,
            *now,
            &Observation { rate_limited: !accepted, ..Observation::default() },
        );
    }
    assert!(
        matches!(quota.snapshot(*now).kind, LimiterKind::Bucket { .. }),
        "{:?}",
        quota.snapshot(*now)
    );
    quota
}

#[test]
fn a_turn_that_was_not_used_is_there_again_and_in_no_doubt() {
    let (mut quota, now) = (Quota::new(), Instant::now());
    for _ in 0..3 {
        let permit = turn(&mut quota, now);
        assert!(matches!(quota.acquire(now), Availability::AfterResponse { .. }));
        quota.on_unsent(permit, now);
        assert_eq!(quota.snapshot(now).in_flight, 0);
    }
    let permit = turn(&mut quota, now);
    quota.on_lost(permit, now);
    assert_eq!(quota.snapshot(now).in_flight, 1, "a lost one is in doubt");
    assert!(matches!(quota.acquire(now), Availability::AfterResponse { .. }));
}

#[test]
fn a_probe_that_never_left_may_be_made_at_once() {
    let (mut quota, mut now) = (Quota::new(), Instant::now());
    for _ in 0..3 {
        let permit = wait(&mut quota, &mut now);
        quota.on_response(permit, now + MILLI, &refused());
    }
    let probe = wait(&mut quota, &mut now);
    assert!(!matches!(quota.acquire(now), Availability::Now(_)), "one alone may go");
    quota.on_unsent(probe, now);
    let _probe = turn(&mut quota, now);
}

#[test]
fn a_step_of_a_pace_that_was_not_made_is_made_by_the_next_and_by_no_more() {
    let mut now = Instant::now();
    let mut quota = paced(&mut now);
    let permit = wait(&mut quota, &mut now);
    quota.on_unsent(permit, now);
    let _next = turn(&mut quota, now);
    assert!(matches!(quota.acquire(now), Availability::At(_)), "two at once");
}

#[test]
fn a_pace_does_not_quicken_by_what_never_left() {
    let mut now = Instant::now();
    let mut quota = paced(&mut now);
    let LimiterKind::Bucket { per_second: before, .. } = quota.snapshot(now).kind else {
        unreachable!()
    };
    for _ in 0..200 {
        let permit = wait(&mut quota, &mut now);
        quota.on_unsent(permit, now);
        now += 100 * MILLI;
    }
    let LimiterKind::Bucket { per_second, .. } = quota.snapshot(now).kind else { unreachable!() };
    assert!(per_second <= before, "{before} became {per_second}");
}
