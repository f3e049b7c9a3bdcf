//! Hanging requests delay no other for long.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tower_heed::__internals::{
    Availability, LimiterKind, Observation, Permit, Quota, Reading, Reset,
};

use crate::support::sim::{Headers, MILLI, Rule, SECOND, Scenario, run};

const UNIX: SystemTime = SystemTime::UNIX_EPOCH;

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn acquire(quota: &mut Quota, now: Instant) -> Permit {
    match quota.acquire(now) {
        Availability::Now(permit) => permit,
        other => panic!("{other:?}"),
    }
}

/// All permits that there are now.
fn acquire_all(quota: &mut Quota, now: Instant) -> Vec<Permit> {
    let next = || match quota.acquire(now) {
        Availability::Now(permit) => Some(permit),
        _ => None,
    };
    std::iter::from_fn(next).collect()
}

/// A response in a fixed window of a second that ends at this second of the server's clock.
fn fixed(limit: u64, remaining: u64, ends: u64) -> Observation {
    let reset = Some(Reset::At(UNIX + Duration::from_secs(ends)));
    let reading = Reading { name: 1, limit: Some(limit), remaining, reset };
    Observation {
        readings: [Some(reading), None, None, None],
        date: Some(UNIX + Duration::from_secs(ends - 1)),
        ..Observation::default()
    }
}

#[test]
fn a_hanging_request_is_waited_for_a_second_and_so_is_the_next() {
    let (mut quota, start) = (Quota::new(), Instant::now());
    let _hangs = acquire(&mut quota, start);
    let Availability::AfterResponse { or_at } = quota.acquire(start) else { panic!("two at once") };
    assert_eq!(or_at, start + seconds(1.0));
    assert!(acquire_all(&mut quota, start + seconds(0.999)).is_empty());
    let mut all = Vec::new();
    for at in 1..8 {
        let more = acquire_all(&mut quota, start + seconds(f64::from(at)));
        all.push(more.len());
        std::mem::forget(more);
    }
    // As many more as hang, up to a bound.
    assert_eq!(all, [1, 2, 4, 8, 16, 16, 16]);
    assert_eq!(quota.snapshot(start + seconds(8.0)).in_flight, 64);
}

#[test]
fn a_response_in_time_does_not_raise_the_concurrency() {
    let (mut quota, mut now) = (Quota::new(), Instant::now());
    for expected in [1, 2, 3, 4] {
        let permit = acquire(&mut quota, now);
        let more = acquire_all(&mut quota, now);
        assert_eq!(more.len() + 1, expected);
        now += seconds(0.9);
        for permit in more {
            quota.on_unsent(permit, now);
        }
        quota.on_response(permit, now, &Observation::default());
    }
}

#[test]
fn a_hanging_probe_is_followed_by_one_more_each_second() {
    let (mut quota, mut now) = (Quota::new(), Instant::now());
    let permit = acquire(&mut quota, now);
    quota.on_response(permit, now, &Observation { rate_limited: true, ..Observation::default() });
    now += seconds(0.1);
    for _ in 0..5 {
        assert_eq!(acquire_all(&mut quota, now).len(), 1, "two at once");
        assert!(acquire_all(&mut quota, now + seconds(0.99)).is_empty());
        now += seconds(1.0);
    }
}

#[test]
fn a_hanging_request_is_not_taken_off_the_next_windows() {
    let (mut quota, start) = (Quota::new(), Instant::now());
    let mut now = start;
    // Until windows have begun as predicted: with a limit of one, each response shows nothing left.
    for window in 1..6 {
        let permit = acquire(&mut quota, now);
        now += seconds(0.01);
        quota.on_response(permit, now, &fixed(1, 0, 100 + window));
        let Availability::At(at) = quota.acquire(now) else { panic!("a second in one window") };
        assert!(at > now && at < now + seconds(2.1), "{:?}", at - now);
        now = start + Duration::from_secs(window) + seconds(0.2);
    }
    assert!(matches!(quota.snapshot(now).kind, LimiterKind::FixedWindow { .. }));
    let _hangs = acquire(&mut quota, now);
    let mut sent = 0;
    for _ in 0..100 {
        now += seconds(0.1);
        // None of these has a response either.
        sent += acquire_all(&mut quota, now).len();
    }
    assert!((8..=10).contains(&sent), "{sent} in ten windows");
}

#[test]
fn a_hanging_request_is_not_counted_twice_once_a_later_response_has_come() {
    let (mut quota, start) = (Quota::new(), Instant::now());
    let first = acquire(&mut quota, start);
    quota.on_response(first, start, &fixed(9, 8, 160));
    let _hangs = acquire(&mut quota, start);
    assert_eq!(quota.snapshot(start).remaining, Some(7));
    // This one is sent too soon after: the hanging request may be counted later.
    let soon = acquire(&mut quota, start + seconds(0.5));
    quota.on_response(soon, start + seconds(0.6), &fixed(9, 6, 160));
    assert_eq!(quota.snapshot(start + seconds(0.6)).remaining, Some(5));
    let later = acquire(&mut quota, start + seconds(1.5));
    quota.on_response(later, start + seconds(1.6), &fixed(9, 5, 160));
    let shown = quota.snapshot(start + seconds(1.6));
    assert_eq!((shown.remaining, shown.in_flight), (Some(5), 1));
}

#[test]
fn a_slow_endpoint_is_not_sent_more_than_its_counter_shows() {
    for headers in [Headers::Epoch, Headers::Delta] {
        let rule = Rule::Fixed { limit: 20, period: 60 * SECOND };
        let scenario = Scenario { takes: 3 * SECOND, jobs: 60, ..Scenario::new(rule, headers) };
        for seed in 0..20 {
            let outcome = run(&scenario, seed);
            assert!(
                outcome.rate_limited <= 20,
                "{headers:?} {seed}: {} rate limited",
                outcome.rate_limited
            );
        }
    }
}

#[test]
fn a_slow_endpoint_comes_to_its_concurrency() {
    let rule = Rule::Fixed { limit: 1_000_000, period: SECOND };
    let scenario = Scenario {
        takes: 3 * SECOND,
        jobs: 64,
        workers: 64,
        delay: (MILLI, MILLI),
        ..Scenario::new(rule, Headers::Bare)
    };
    let outcome = run(&scenario, 1);
    assert!(outcome.took < 12 * SECOND, "{} ms", outcome.took / MILLI);
    assert_eq!(outcome.rate_limited, 0);
}
