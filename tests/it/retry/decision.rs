//! The retry table: each row and its negative, and the bounds that no input gets around.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method, Request, StatusCode};
use proptest::prelude::*;
use tower_heed::{
    classify::{Classification, ErrorClass, Preset},
    extensions::Idempotent,
    retry::{Backoff, Cost, Decision, Limits, Progress, Repeatable, Stopped},
};

const SECOND: Duration = Duration::from_secs(1);

/// The first failure of a call without a deadline, and no jitter.
const FIRST: Progress = Progress::first(Repeatable::Always);

fn answer(status: u16, headers: &[(&'static str, &str)]) -> Classification {
    let mut fields = HeaderMap::new();
    for (name, value) in headers {
        fields.insert(*name, value.parse().unwrap());
    }
    let status = StatusCode::from_u16(status).unwrap();
    Classification::of_response(&Preset::Standard, status, &fields, SystemTime::UNIX_EPOCH).unwrap()
}

fn told(status: u16) -> Classification {
    answer(status, &[("retry-after", "7")])
}

fn error(class: ErrorClass) -> Classification {
    Classification::of_class(class)
}

fn decide(failure: &Classification, progress: Progress) -> Decision {
    Decision::about(failure, &Limits::default(), &progress)
}

fn retry(seconds: u32, cost: Cost) -> Decision {
    Decision::Retry { wait: SECOND * seconds, cost }
}

#[test]
fn each_class_of_failure_has_its_row() {
    use Cost::{Nothing, OneRetry};
    use Decision::Return;
    use ErrorClass as Class;
    use Stopped::{Final, NotRepeatable};

    // The failure, what follows if the request may be sent again after any failure, and what if not.
    let rows = [
        (answer(429, &[]), retry(1, Nothing), retry(1, Nothing)),
        (told(429), retry(7, Nothing), retry(7, Nothing)),
        (told(403), retry(7, Nothing), retry(7, Nothing)),
        (answer(503, &[]), retry(1, OneRetry), Return(NotRepeatable)),
        (told(503), retry(7, OneRetry), retry(7, OneRetry)),
        (answer(500, &[]), retry(1, OneRetry), Return(NotRepeatable)),
        (told(500), retry(7, OneRetry), Return(NotRepeatable)),
        (told(502), retry(7, OneRetry), Return(NotRepeatable)),
        (answer(425, &[]), retry(1, OneRetry), Return(NotRepeatable)),
        (answer(408, &[]), retry(1, OneRetry), Return(NotRepeatable)),
        (told(504), retry(7, OneRetry), Return(NotRepeatable)),
        (error(Class::Timeout), retry(1, OneRetry), Return(NotRepeatable)),
        (error(Class::Interrupted), retry(1, OneRetry), Return(NotRepeatable)),
        (error(Class::Connect), retry(1, OneRetry), retry(1, OneRetry)),
        (error(Class::Throttled), retry(1, Nothing), retry(1, Nothing)),
        (told(501), Return(Final), Return(Final)),
        (told(505), Return(Final), Return(Final)),
        (told(401), Return(Final), Return(Final)),
        (answer(403, &[]), Return(Final), Return(Final)),
        (told(400), Return(Final), Return(Final)),
        (told(404), Return(Final), Return(Final)),
        (told(409), Return(Final), Return(Final)),
        (error(Class::TokenUnavailable), Return(Final), Return(Final)),
    ];
    for (failure, always, if_refused) in rows {
        assert_eq!(decide(&failure, FIRST), always, "{failure:?}");
        let progress = Progress::first(Repeatable::IfRefused);
        assert_eq!(decide(&failure, progress), if_refused, "{failure:?}");
    }
}

#[test]
fn safe_methods_and_marked_requests_may_be_repeated_and_others_not() {
    let of = |request: http::request::Builder| Repeatable::of(&request.body(()).unwrap());
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE] {
        assert_eq!(of(Request::builder().method(method)), Repeatable::Always);
    }
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let request = || Request::builder().method(method.clone());
        assert_eq!(of(request()), Repeatable::IfRefused, "{method}");
        assert_eq!(of(request().header("Idempotency-Key", "8e03978e")), Repeatable::Always);
        assert_eq!(of(request().extension(Idempotent)), Repeatable::Always);
        assert_eq!(of(request().header("x-idempotency", "8e03978e")), Repeatable::IfRefused);
    }
}

#[test]
fn the_wait_is_the_larger_of_hint_and_backoff_and_jitter_comes_after_it() {
    let wait = |failure: &Classification, retries, chance| match decide(
        failure,
        FIRST.retries(retries).chance(chance),
    ) {
        Decision::Retry { wait, .. } => wait,
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(&told(429), 0, 0.0), SECOND * 7);
    assert_eq!(wait(&told(429), 0, 0.5), SECOND * 15 / 2);
    assert_eq!(wait(&told(429), 2, 0.5), SECOND * 9);
    assert_eq!(wait(&told(429), 3, 0.0), SECOND * 8);
    assert_eq!(wait(&answer(429, &[]), 0, 0.0), SECOND);
    assert_eq!(wait(&answer(429, &[]), 4, 0.25), SECOND * 20);
    assert_eq!(wait(&answer(429, &[("retry-after", "0")]), 0, 0.0), SECOND);
}

#[test]
fn a_hint_never_grants_a_retry_beyond_the_number_allowed() {
    let limits = Limits::default().max_retries(2);
    let at = |retries| Decision::about(&told(429), &limits, &FIRST.retries(retries));
    assert_eq!(at(1), retry(7, Cost::Nothing));
    assert_eq!(at(2), Decision::Return(Stopped::MaxRetries));
    assert_eq!(at(u32::MAX), Decision::Return(Stopped::MaxRetries));
}

#[test]
fn a_wait_beyond_max_wait_is_not_begun_and_not_shortened() {
    let limits = |seconds| Limits::default().max_wait(SECOND * seconds);
    let about = |seconds| Decision::about(&told(429), &limits(seconds), &FIRST);
    assert_eq!(about(7), retry(7, Cost::Nothing));
    assert_eq!(about(6), Decision::Return(Stopped::MaxWait));
    assert_eq!(about(0), Decision::Return(Stopped::MaxWait));
    let backoff = Decision::about(&answer(503, &[]), &limits(0), &FIRST);
    assert_eq!(backoff, Decision::Return(Stopped::MaxWait));
}

#[test]
fn a_wait_that_would_pass_the_deadline_is_not_begun() {
    let within = |remaining| decide(&told(429), FIRST.remaining(Some(remaining)));
    assert_eq!(within(SECOND * 8), retry(7, Cost::Nothing));
    assert_eq!(within(SECOND * 7), Decision::Return(Stopped::Deadline));
    assert_eq!(within(Duration::ZERO), Decision::Return(Stopped::Deadline));
}

/// Jitter that was cut off at the bound sent all who drew more than that at the same moment, and at the deadline too
/// late.
#[test]
fn near_a_bound_the_jitter_is_drawn_from_what_is_left() {
    let wait = |max_wait, remaining, chance| {
        let limits = Limits::default().max_wait(max_wait);
        match Decision::about(&told(429), &limits, &FIRST.remaining(remaining).chance(chance)) {
            Decision::Retry { wait, .. } => wait.as_millis(),
            other => panic!("{other:?}"),
        }
    };
    let ms = Duration::from_millis;
    assert_eq!(wait(SECOND * 90, None, 0.5), 7500);
    assert_eq!(wait(ms(7400), None, 0.5), 7200);
    assert_eq!(wait(ms(7400), None, 1.0), 7400);
    assert_eq!(wait(SECOND * 90, Some(ms(7400)), 0.5), 7100);
    assert_eq!(wait(SECOND * 90, Some(ms(7400)), 1.0), 7200);
    assert_eq!(wait(SECOND * 90, Some(SECOND * 20), 0.5), 7500);
}

#[test]
fn backoff_doubles_up_to_its_cap_and_bad_settings_are_refused() {
    let backoff = Backoff::default();
    let steps: Vec<u64> = (0..8).map(|retries| backoff.step(retries).as_secs()).collect();
    assert_eq!(steps, [1, 2, 4, 8, 16, 30, 30, 30]);
    assert_eq!(backoff.step(u32::MAX), Backoff::DEFAULT_CAP);
    assert_eq!(backoff.spread(2), SECOND * 4);
    assert_eq!(backoff.jitter_ratio(0.0).unwrap().spread(2), Duration::ZERO);
    assert_eq!(backoff.jitter_ratio(0.5).unwrap().jitter(2, 0.5), SECOND);

    assert!(Backoff::exponential(Duration::ZERO, SECOND).is_err());
    assert!(Backoff::exponential(SECOND * 2, SECOND).is_err());
    assert!(Backoff::exponential(SECOND, SECOND).is_ok());
    for ratio in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        let refused = backoff.jitter_ratio(ratio).unwrap_err();
        assert_eq!(refused.what(), "jitter ratio");
    }
}

proptest! {
    #[test]
    fn no_decision_waits_less_than_told_or_beyond_a_bound(
        hint in proptest::option::of(0_u32..=u32::MAX),
        first in 1_u64..10_000, doublings in 0_u32..12, ratio in 0.0..=1.0,
        retries in 0_u32..40, max_retries in 0_u32..40, max_wait in 0_u64..200_000,
        remaining in proptest::option::of(0_u64..200_000), chance in 0.0..1.0,
    ) {
        let ms = Duration::from_millis;
        let backoff = Backoff::exponential(ms(first), ms(first << doublings)).unwrap();
        let backoff = backoff.jitter_ratio(ratio).unwrap();
        let limits = Limits::default().max_retries(max_retries).max_wait(ms(max_wait)).backoff(backoff);
        let remaining = remaining.map(ms);
        let progress = FIRST.retries(retries).remaining(remaining).chance(chance);
        let failure = match hint {
            Some(seconds) => answer(429, &[("retry-after", &seconds.to_string())]),
            None => answer(429, &[]),
        };
        let least = failure.retry_after().unwrap_or_default().max(backoff.step(retries));

        match Decision::about(&failure, &limits, &progress) {
            Decision::Retry { wait, cost } => {
                prop_assert_eq!(cost, Cost::Nothing);
                prop_assert!(retries < max_retries);
                prop_assert!(least <= wait && wait <= limits.max_wait);
                prop_assert!(wait <= least + backoff.spread(retries));
                prop_assert!(remaining.is_none_or(|remaining| wait < remaining));
            }
            Decision::Return(Stopped::MaxRetries) => prop_assert!(retries >= max_retries),
            Decision::Return(Stopped::MaxWait) => prop_assert!(least > limits.max_wait),
            Decision::Return(Stopped::Deadline) => {
                prop_assert!(remaining.is_some_and(|remaining| least >= remaining));
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
