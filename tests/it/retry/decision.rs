//! The retry table: each row and its negative, and the bounds that no input gets around.

use std::{
    io,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, StatusCode};
use proptest::prelude::*;
use tower_heed::{
    __internals::{Cost, Progress, Retry, decide},
    classify::{Classification, ErrorClass, Preset},
    retry::{Backoff, Retries, RetryConfig, Stopped},
};

const SECOND: Duration = Duration::from_secs(1);

/// The first failure of a repeatable request without a deadline, and no jitter.
const FIRST: Progress = Progress {
    repeatable: true,
    idempotent: true,
    paced: false,
    rate_limits: 0,
    failures: 0,
    resends: 0,
    remaining: None,
    jitter: 0.0,
};

fn response(status: u16, headers: &[(&'static str, &str)]) -> Classification {
    let mut fields = HeaderMap::new();
    for (name, value) in headers {
        fields.insert(*name, value.parse().unwrap());
    }
    let status = StatusCode::from_u16(status).unwrap();
    Classification::of_response(&Preset::Standard, status, &fields, SystemTime::UNIX_EPOCH).unwrap()
}

fn hinted(status: u16) -> Classification {
    response(status, &[("retry-after", "7")])
}

/// Okta's: 0 of 0 units, and a reset in ten minutes.
fn concurrency_limit(more: &[(&'static str, &str)]) -> Classification {
    let none = [
        ("x-rate-limit-limit", "0"),
        ("x-rate-limit-remaining", "0"),
        ("x-rate-limit-reset", "600"),
    ];
    response(429, &[&none, more].concat())
}

fn error(class: ErrorClass) -> Classification {
    Classification::of_class(class)
}

fn by_default(failure: &Classification, progress: Progress) -> Result<Retry, Stopped> {
    decide(failure, &RetryConfig::default(), &progress)
}

fn retry(seconds: u32, cost: Cost) -> Result<Retry, Stopped> {
    Ok(Retry { wait: SECOND * seconds, cost, at_once: false })
}

/// After a failure whose wait the server did not name.
fn first_step() -> Result<Retry, Stopped> {
    Ok(Retry { wait: Duration::from_millis(200), cost: Cost::One, at_once: false })
}

#[test]
fn each_class_of_failure_has_its_row() {
    use Cost::{Free, One};
    use ErrorClass as Class;
    use Stopped::{Final, NotRepeatable};

    // The failure, the decision about a repeatable request, and about any other.
    let rows = [
        (response(429, &[]), retry(1, Free), retry(1, Free)),
        (hinted(429), retry(7, Free), retry(7, Free)),
        (hinted(403), retry(7, Free), retry(7, Free)),
        (response(503, &[]), first_step(), Err(NotRepeatable)),
        // The server asks to slow down, and that is obeyed.
        (hinted(503), retry(7, Free), retry(7, Free)),
        (hinted(529), retry(7, Free), retry(7, Free)),
        (response(529, &[]), first_step(), Err(NotRepeatable)),
        // A concurrency limit, whose reset says nothing.
        (concurrency_limit(&[]), retry(1, Free), retry(1, Free)),
        (concurrency_limit(&[("retry-after", "7")]), retry(7, Free), retry(7, Free)),
        (response(500, &[]), first_step(), Err(NotRepeatable)),
        (hinted(500), retry(7, One), Err(NotRepeatable)),
        (hinted(502), retry(7, One), Err(NotRepeatable)),
        (response(425, &[]), first_step(), first_step()),
        (hinted(425), retry(7, One), retry(7, One)),
        (response(408, &[]), first_step(), Err(NotRepeatable)),
        (hinted(504), retry(7, One), Err(NotRepeatable)),
        (error(Class::Timeout), first_step(), Err(NotRepeatable)),
        (error(Class::Interrupted), first_step(), Err(NotRepeatable)),
        (error(Class::Connect), first_step(), first_step()),
        (error(Class::Throttled), retry(1, Free), retry(1, Free)),
        (hinted(501), Err(Final), Err(Final)),
        (hinted(505), Err(Final), Err(Final)),
        (hinted(401), Err(Final), Err(Final)),
        (response(403, &[]), Err(Final), Err(Final)),
        (hinted(400), Err(Final), Err(Final)),
        (hinted(404), Err(Final), Err(Final)),
        (hinted(409), Err(Final), Err(Final)),
        (error(Class::TokenUnavailable), Err(Final), Err(Final)),
    ];
    for (failure, repeatable, other) in rows {
        assert_eq!(by_default(&failure, FIRST), repeatable, "{failure:?}");
        let progress = Progress { repeatable: false, idempotent: false, ..FIRST };
        assert_eq!(by_default(&failure, progress), other, "{failure:?}");
    }
}

#[test]
fn the_wait_is_the_larger_of_hint_and_backoff_and_jitter_comes_after_it() {
    let wait = |failure: &Classification, retries, jitter| {
        by_default(failure, Progress { rate_limits: retries, jitter, ..FIRST }).unwrap().wait
    };
    assert_eq!(wait(&hinted(429), 0, 0.0), SECOND * 7);
    assert_eq!(wait(&hinted(429), 0, 0.5), SECOND * 15 / 2);
    assert_eq!(wait(&hinted(429), 2, 0.5), SECOND * 9);
    assert_eq!(wait(&hinted(429), 3, 0.0), SECOND * 8);
    assert_eq!(wait(&response(429, &[]), 0, 0.0), SECOND);
    assert_eq!(wait(&response(429, &[]), 4, 0.25), SECOND * 20);
    assert_eq!(wait(&response(429, &[("retry-after", "0")]), 0, 0.0), SECOND);
}

#[test]
fn a_hint_never_grants_a_retry_beyond_the_number_allowed() {
    let config = RetryConfig::default().max_retries(2);
    let at = |retries| decide(&hinted(429), &config, &Progress { rate_limits: retries, ..FIRST });
    assert_eq!(at(1), retry(7, Cost::Free));
    assert_eq!(at(2), Err(Stopped::MaxRetries));
    assert_eq!(at(u32::MAX), Err(Stopped::MaxRetries));
}

/// A server that failed was asked five times over half a minute, and the caller waited for the fallback response that long.
#[test]
fn failures_and_rate_limits_are_counted_and_switched_off_apart() {
    let failed = response(503, &[]);
    let config = RetryConfig::default();
    let spent = Progress { rate_limits: 5, ..FIRST };
    assert_eq!(decide(&failed, &config, &spent), first_step());
    assert_eq!(decide(&hinted(429), &config, &spent), Err(Stopped::MaxRetries));
    let spent = Progress { failures: 2, ..FIRST };
    assert_eq!(decide(&failed, &config, &spent), Err(Stopped::MaxRetries));
    assert_eq!(decide(&hinted(429), &config, &spent), retry(7, Cost::Free));

    let off = config.failures(Retries::off);
    assert_eq!(decide(&failed, &off, &FIRST), Err(Stopped::MaxRetries));
    assert_eq!(decide(&hinted(503), &off, &FIRST), retry(7, Cost::Free));
    let off = config.rate_limits(Retries::off);
    assert_eq!(decide(&hinted(429), &off, &FIRST), Err(Stopped::MaxRetries));
    assert_eq!(decide(&failed, &off, &FIRST), first_step());
}

/// A pooled connection that the server closes at the same moment is nobody's failure, and one more server does not mean a wait.
#[test]
fn a_request_on_a_closed_connection_is_sent_again_at_once_and_only_once() {
    let closed = |kind: io::ErrorKind| Classification::of_error(&io::Error::from(kind)).unwrap();
    let config = RetryConfig::default();
    for kind in
        [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe, io::ErrorKind::UnexpectedEof]
    {
        let put = Progress { repeatable: false, ..FIRST };
        for progress in [FIRST, put] {
            let found = decide(&closed(kind), &config, &progress).unwrap();
            let at_once = Retry { wait: Duration::ZERO, cost: Cost::One, at_once: true };
            assert_eq!(found, at_once, "{kind}");
        }
        let again = |progress| decide(&closed(kind), &config, &Progress { resends: 1, ..progress });
        assert_eq!(again(FIRST), first_step());
        assert_eq!(again(put), Err(Stopped::NotRepeatable));
        let post = Progress { idempotent: false, ..put };
        assert_eq!(decide(&closed(kind), &config, &post), Err(Stopped::NotRepeatable));
        let off = config.failures(Retries::off);
        assert_eq!(decide(&closed(kind), &off, &FIRST), Err(Stopped::MaxRetries));
        let late = Progress { remaining: Some(Duration::ZERO), ..FIRST };
        assert_eq!(decide(&closed(kind), &config, &late), Err(Stopped::Deadline));
    }
    // A router's word about a connection that may still stand.
    for kind in [io::ErrorKind::HostUnreachable, io::ErrorKind::TimedOut] {
        assert_eq!(decide(&closed(kind), &config, &FIRST), first_step());
    }
}

#[test]
fn a_wait_beyond_max_wait_is_not_begun_and_not_shortened() {
    let config = |seconds| RetryConfig::default().max_wait(SECOND * seconds);
    let about = |seconds| decide(&hinted(429), &config(seconds), &FIRST);
    assert_eq!(about(7), retry(7, Cost::Free));
    assert_eq!(about(6), Err(Stopped::MaxWait));
    assert_eq!(about(0), Err(Stopped::MaxWait));
    let backoff = decide(&response(503, &[]), &config(0), &FIRST);
    assert_eq!(backoff, Err(Stopped::MaxWait));
}

#[test]
fn a_wait_that_would_pass_the_deadline_is_not_begun() {
    let within =
        |remaining| by_default(&hinted(429), Progress { remaining: Some(remaining), ..FIRST });
    assert_eq!(within(SECOND * 8), retry(7, Cost::Free));
    assert_eq!(within(SECOND * 7), Err(Stopped::Deadline));
    assert_eq!(within(Duration::ZERO), Err(Stopped::Deadline));
}

/// Jitter that was cut off at the bound sent all who drew more than that at the same moment, and at the deadline too
/// late.
#[test]
fn near_a_bound_the_jitter_is_drawn_from_what_is_left() {
    let wait = |max_wait, remaining, jitter| {
        let config = RetryConfig::default().max_wait(max_wait);
        let progress = Progress { remaining, jitter, ..FIRST };
        decide(&hinted(429), &config, &progress).unwrap().wait.as_millis()
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
fn a_backoff_without_a_first_step_or_with_a_lower_cap_is_rejected() {
    assert!(Backoff::exponential(Duration::ZERO, SECOND).is_err());
    assert!(Backoff::exponential(SECOND * 2, SECOND).is_err());
    assert!(Backoff::exponential(SECOND, SECOND).is_ok());
}

proptest! {
    #[test]
    fn no_wait_is_shorter_than_the_server_asked_or_beyond_a_bound(
        hint in proptest::option::of(0_u32..=u32::MAX),
        first in 1_u64..10_000, doublings in 0_u32..12, ratio in 0.0..=1.0,
        retries in 0_u32..40, max_retries in 0_u32..40, max_wait in 0_u64..200_000,
        remaining in proptest::option::of(0_u64..200_000), jitter in 0.0..1.0,
    ) {
        let ms = Duration::from_millis;
        let backoff = Backoff::exponential(ms(first), ms(first << doublings)).unwrap();
        let backoff = backoff.jitter_ratio(ratio);
        let config = RetryConfig::default().max_retries(max_retries).max_wait(ms(max_wait)).backoff(backoff);
        let remaining = remaining.map(ms);
        let progress = Progress { rate_limits: retries, remaining, jitter, ..FIRST };
        let failure = match hint {
            Some(seconds) => response(429, &[("retry-after", &seconds.to_string())]),
            None => response(429, &[]),
        };
        let step = ms(first << retries.min(doublings));
        let least = failure.retry_after().unwrap_or_default().max(step);

        match decide(&failure, &config, &progress) {
            Ok(Retry { wait, cost, at_once: false }) => {
                prop_assert_eq!(cost, Cost::Free);
                prop_assert!(retries < max_retries);
                prop_assert!(least <= wait && wait <= ms(max_wait));
                prop_assert!(wait <= least + step.mul_f64(ratio) + Duration::from_nanos(1));
                prop_assert!(remaining.is_none_or(|remaining| wait < remaining));
            }
            Err(Stopped::MaxRetries) => prop_assert!(retries >= max_retries),
            Err(Stopped::MaxWait) => prop_assert!(least > ms(max_wait)),
            Err(Stopped::Deadline) => {
                prop_assert!(remaining.is_some_and(|remaining| least >= remaining));
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
