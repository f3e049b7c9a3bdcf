//! How many turns there can be at most until a moment.

use std::time::Duration;

use tokio::time::Instant;
use tower_heed::__internals::{Availability, Observation, Quota};

use crate::support::sim::{Asked, Chance, Headers, Rule, SECOND};

const FIXED: Rule = Rule::Fixed { limit: 10, period: PERIOD };
const PERIOD: u64 = 10 * SECOND;

#[test]
fn nothing_is_certain_before_windows_have_begun_as_foretold() {
    let mut asked = Asked::new(FIXED, Headers::Epoch);
    assert_eq!(asked.bound(Duration::from_secs(1)), None);
    asked.run(Duration::from_millis(100));
    assert_eq!(asked.bound(Duration::from_secs(1)), None);
}

#[test]
fn of_windows_one_after_the_other_it_is_the_limit_for_each() {
    let mut asked = Asked::new(FIXED, Headers::Epoch);
    asked.run(Duration::from_secs(45));
    asked.run(Duration::from_secs(1));
    assert_eq!(asked.bound(Duration::from_secs(2)), Some(0), "the window is used up");
    let bound = asked.bound(Duration::from_secs(40)).unwrap();
    assert!((40..=50).contains(&bound), "{bound}");
}

#[test]
fn of_a_bucket_and_without_counters_nothing_is_certain() {
    for (rule, headers) in [
        (Rule::Bucket { rate: 20, burst: 50 }, Headers::Epoch),
        (FIXED, Headers::Silent),
        (FIXED, Headers::RetryAfter),
    ] {
        let mut asked = Asked::new(rule, headers);
        asked.run(Duration::from_secs(100));
        let bound = asked.bound(Duration::from_secs(10));
        assert_eq!(bound, None, "{rule:?} {headers:?}");
    }
}

#[test]
fn while_the_server_holds_all_there_is_none() {
    let (mut quota, now) = (Quota::new(), Instant::now());
    let Availability::Now(permit) = quota.acquire(now) else { panic!("the first waits") };
    let hold = Some(Duration::from_secs(7));
    quota.on_response(
        permit,
        now,
        &Observation { rate_limited: true, retry_after: hold, ..Observation::default() },
    );
    assert_eq!(quota.max_permits_before(now + Duration::from_secs(7), now), Some(0));
    assert_eq!(quota.max_permits_before(now + Duration::from_secs(8), now), None);
}

#[test]
fn there_are_never_more_turns_than_that() {
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
            let mut asked = Asked::new(rule, headers);
            for _ in 0..30 {
                // Not asked for a while, so that windows pass unseen.
                asked.now += Duration::from_nanos(chance.between(0, 5 * PERIOD / 2));
                asked.run(Duration::from_nanos(chance.between(0, 2 * PERIOD)));
                let span = Duration::from_nanos(chance.between(0, 4 * PERIOD));
                let before = asked.turns;
                let Some(bound) = asked.bound(span) else { continue };
                said += 1;
                asked.run(span.saturating_sub(Duration::from_millis(1)));
                let turns = asked.turns - before;
                assert!(turns <= bound, "{rule:?} {headers:?} {seed}: {turns}, not {bound}");
            }
        }
        println!("{rule:?} {headers:?}: {said} times");
        assert!(said > 20 || headers != Headers::Epoch, "{rule:?} {headers:?}: {said} times");
    }
}
