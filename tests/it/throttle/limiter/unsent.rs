//! A permit whose request never left is given back.

use std::time::Duration;

use tokio::time::Instant;
use tower_heed::__internals::{Availability, LimiterKind, Observation, Permit, Quota};

const MILLI: Duration = Duration::from_millis(1);

fn acquire(quota: &mut Quota, now: Instant) -> Permit {
    match quota.acquire(now) {
        Availability::Now(permit) => permit,
        other => panic!("{other:?}"),
    }
}

fn rejected() -> Observation {
    Observation { rate_limited: true, ..Observation::default() }
}

/// Waits for a permit.
fn wait(quota: &mut Quota, now: &mut Instant) -> Permit {
    loop {
        match quota.acquire(*now) {
            Availability::Now(permit) => return permit,
            Availability::At(at) => *now = at,
            other @ Availability::AfterResponse { .. } => panic!("{other:?}"),
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
    // Rate limited again soon after it was open, and open again soon after that: so it is no window.
    for accepted in [false, true, false, true] {
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
fn an_unused_permit_is_available_again_and_in_no_doubt() {
    let (mut quota, now) = (Quota::new(), Instant::now());
    for _ in 0..3 {
        let permit = acquire(&mut quota, now);
        assert!(matches!(quota.acquire(now), Availability::AfterResponse { .. }));
        quota.on_unsent(permit, now);
        assert_eq!(quota.snapshot(now).in_flight, 0);
    }
    let permit = acquire(&mut quota, now);
    quota.on_lost(permit, now);
    assert_eq!(quota.snapshot(now).in_flight, 1, "a lost one is in doubt");
    let _next = acquire(&mut quota, now);
    assert!(matches!(quota.acquire(now), Availability::AfterResponse { .. }), "two at once");
}

#[test]
fn a_probe_that_never_left_may_be_repeated_at_once() {
    let (mut quota, mut now) = (Quota::new(), Instant::now());
    for _ in 0..3 {
        let permit = wait(&mut quota, &mut now);
        quota.on_response(permit, now + MILLI, &rejected());
    }
    let probe = wait(&mut quota, &mut now);
    assert!(!matches!(quota.acquire(now), Availability::Now(_)), "two at once");
    quota.on_unsent(probe, now);
    let _probe = acquire(&mut quota, now);
}

#[test]
fn one_request_takes_the_place_of_one_that_never_left() {
    let mut now = Instant::now();
    let mut quota = paced(&mut now);
    let permit = wait(&mut quota, &mut now);
    quota.on_unsent(permit, now);
    let _next = acquire(&mut quota, now);
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
