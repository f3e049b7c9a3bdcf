//! The most permits that there can be until a moment.

use std::time::Duration;

use tokio::time::Instant;
use tower_heed::__internals::{Availability, Observation, Permit, Quota, Reading, Reset};

use crate::support::sim::{Chance, Driver, Headers, Rule, SECOND};

const FIXED: Rule = Rule::Fixed { limit: 10, period: PERIOD };
const PERIOD: u64 = 10 * SECOND;

#[test]
fn nothing_is_certain_before_windows_have_begun_as_predicted() {
    let mut driver = Driver::new(FIXED, Headers::Epoch);
    assert_eq!(driver.bound(Duration::from_secs(1)), None);
    driver.run(Duration::from_millis(100));
    assert_eq!(driver.bound(Duration::from_secs(1)), None);
}

#[test]
fn consecutive_windows_give_the_limit_each() {
    let mut driver = Driver::new(FIXED, Headers::Epoch);
    driver.run(Duration::from_secs(45));
    driver.run(Duration::from_secs(1));
    assert_eq!(driver.bound(Duration::from_secs(2)), Some(0), "the window is used up");
    let bound = driver.bound(Duration::from_secs(40)).unwrap();
    assert!((40..=50).contains(&bound), "{bound}");
}

#[test]
fn a_bucket_or_no_counters_give_no_bound() {
    for (rule, headers) in [
        (Rule::Bucket { rate: 20, burst: 50 }, Headers::Epoch),
        (FIXED, Headers::Bare),
        (FIXED, Headers::RetryAfter),
    ] {
        let mut driver = Driver::new(rule, headers);
        driver.run(Duration::from_secs(100));
        let bound = driver.bound(Duration::from_secs(10));
        assert_eq!(bound, None, "{rule:?} {headers:?}");
    }
}

#[test]
fn a_blocked_key_gives_none() {
    let (mut quota, now) = (Quota::new(), Instant::now());
    let Availability::Now(permit) = quota.acquire(now) else { panic!("the first waits") };
    let wait = Some(Duration::from_secs(7));
    quota.on_response(
        permit,
        now,
        &Observation { rate_limited: true, retry_after: wait, ..Observation::default() },
    );
    assert_eq!(quota.max_permits_before(now + Duration::from_secs(7), now), Some(0));
    assert_eq!(quota.max_permits_before(now + Duration::from_secs(8), now), None);
}

#[test]
fn there_are_never_more_permits_than_the_bound() {
    for (rule, headers) in [
        (FIXED, Headers::Epoch),
        (FIXED, Headers::Delta),
        (Rule::FirstHit { limit: 10, period: PERIOD }, Headers::Epoch),
        (Rule::Sliding { limit: 10, period: PERIOD }, Headers::Epoch),
        (Rule::Sliding { limit: 10, period: PERIOD }, Headers::Delta),
    ] {
        let mut said = 0;
        for seed in 0..20 {
            let chance = &mut Chance::new(seed);
            let mut driver = Driver::new(rule, headers);
            for _ in 0..30 {
                // Idle for a while, so that windows pass unseen.
                driver.now += Duration::from_nanos(chance.between(0, 5 * PERIOD / 2));
                driver.run(Duration::from_nanos(chance.between(0, 2 * PERIOD)));
                let span = Duration::from_nanos(chance.between(0, 4 * PERIOD));
                let before = driver.permits;
                let Some(bound) = driver.bound(span) else { continue };
                said += 1;
                driver.run(span.saturating_sub(Duration::from_millis(1)));
                let permits = driver.permits - before;
                assert!(permits <= bound, "{rule:?} {headers:?} {seed}: {permits}, not {bound}");
            }
        }
        println!("{rule:?} {headers:?}: {said} times");
        assert!(said > 20 || headers != Headers::Epoch, "{rule:?} {headers:?}: {said} times");
    }
}

fn take(quota: &mut Quota, now: Instant) -> Permit {
    let Availability::Now(permit) = quota.acquire(now) else { panic!("no permit") };
    permit
}

fn shown(limit: Option<u64>, remaining: u64) -> Observation {
    let reset = Some(Reset::In(Duration::from_secs(60)));
    let reading = Reading { name: 1, limit, remaining, reset };
    Observation { readings: [Some(reading), None, None, None], ..Observation::default() }
}

#[test]
fn a_limit_that_only_the_units_left_show_rises_with_them() {
    let (mut quota, now) = (Quota::new(), Instant::now());
    let permit = take(&mut quota, now);
    quota.on_response(permit, now, &shown(None, 3));
    assert_eq!(quota.snapshot(now).limit, Some(4));
    let permit = take(&mut quota, now);
    quota.on_response(permit, now, &shown(None, 99));
    assert_eq!(quota.snapshot(now).limit, Some(100));
}

#[test]
fn a_named_wait_is_not_cut_short_by_an_earlier_one() {
    let (mut quota, now) = (Quota::new().max_block(Duration::from_secs(10)), Instant::now());
    let slow = take(&mut quota, now);
    assert!(!matches!(quota.acquire(now), Availability::Now(_)));
    let now = now + Duration::from_secs(11);
    let wait = Some(Duration::from_secs(5));
    let rejected = Observation { rate_limited: true, retry_after: wait, ..Observation::default() };
    quota.on_response(slow, now, &rejected);
    assert!(matches!(quota.acquire(now), Availability::At(_)));
}

#[test]
fn a_response_to_a_request_of_another_quota_ends_none_of_this_one() {
    let (mut quota, now) = (Quota::new(), Instant::now());
    let permit = take(&mut quota, now);
    quota.on_response_elsewhere(permit.sent(), now, &shown(Some(10), 9));
    assert_eq!(quota.snapshot(now).in_flight, 1);
    quota.on_response(permit, now, &shown(Some(10), 8));
    assert_eq!(quota.snapshot(now).in_flight, 0);
}

#[test]
fn responses_that_withhold_a_counter_do_not_forget_it() {
    let (mut quota, now) = (Quota::new(), Instant::now());
    let permit = take(&mut quota, now);
    quota.on_response(permit, now, &shown(Some(50), 40));
    for _ in 0..20 {
        let permit = take(&mut quota, now);
        let denied = Observation { withholds: true, ..Observation::default() };
        quota.on_response(permit, now, &denied);
    }
    assert_eq!(quota.snapshot(now).limit, Some(50));
}
