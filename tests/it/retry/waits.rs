//! When the next attempt comes: never before the server said, never long after it, never two callers together.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    task::JoinSet,
    time::{Instant, advance},
};
use tower_heed::{RetryOnRateLimit, clock::Clock, extensions::Deadline, retry::Backoff};

use super::api::{Script, api, get, outcome, response, script, send};

const SECOND: Duration = Duration::from_secs(1);

/// tokio's timer rounds up to a millisecond, and the paused clock moves by whole ones.
const TICK: Duration = Duration::from_millis(2);

#[tokio::test(start_paused = true)]
async fn in_a_thousand_random_cases_no_attempt_comes_early_or_late() {
    let mut random = StdRng::seed_from_u64(7);
    for case in 0..1000 {
        // Not on the edge of a tick, so that rounding down would show.
        advance(Duration::from_nanos(random.random_range(0..2_000_000))).await;
        let hints: Vec<Option<u32>> =
            (0..3).map(|_| random.random_bool(0.8).then(|| random.random_range(0..70))).collect();
        let first = Duration::from_micros(random.random_range(1..3_000_000));
        let cap = first * random.random_range(1..20);
        let ratio = random.random_range(0.0..=1.0);
        let backoff = Backoff::exponential(first, cap).unwrap().jitter_ratio(ratio);

        let hint = hints.clone();
        let api = api(move |send| match hint.get(send) {
            Some(Some(hint)) => response(429, &[("retry-after", &hint.to_string())]),
            Some(None) => response(429, &[]),
            None => response(200, &[]),
        });
        let layer = RetryOnRateLimit::new().backoff(backoff).max_wait(SECOND * 200);
        let response = send(&layer, &api, get()).await.unwrap();
        assert_eq!(outcome(&response).attempts(), 4, "case {case}");

        for (retries, (gap, hint)) in (0..).zip(api.gaps().into_iter().zip(hints)) {
            let step = (first * 2_u32.pow(retries)).min(cap);
            let least = step.max(SECOND * hint.unwrap_or(0));
            let most = least + step.mul_f64(ratio) + TICK;
            assert!(least <= gap && gap <= most, "case {case}: {least:?} <= {gap:?} <= {most:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_of_zero_is_not_retried_at_once() {
    let api = script(&[(429, &[("retry-after", "0")])]);
    send(&RetryOnRateLimit::new(), &api, get()).await.unwrap();
    assert!(api.gaps()[0] >= Backoff::DEFAULT_FIRST, "{:?}", api.gaps());
}

/// tower's backoff gave every call the same sequence of jitter, so that all callers came back together.
#[tokio::test(start_paused = true)]
async fn calls_that_were_rejected_together_come_back_apart() {
    let api = api(|send| response(if send < 40 { 429 } else { 200 }, &[("retry-after", "5")]));
    let layer = RetryOnRateLimit::new();
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let (layer, api) = (layer.clone(), api.clone());
        calls.spawn(async move { send(&layer, &api, get()).await.unwrap().status() });
    }
    assert!(calls.join_all().await.iter().all(|status| *status == 200));

    let attempts = api.attempts();
    for retry in 1..=2 {
        let times: HashSet<Instant> = attempts
            .iter()
            .filter(|sent| sent.attempt == Some(retry))
            .map(|sent| sent.at)
            .collect();
        assert!(times.len() >= 15, "of 20 calls {} came apart at retry {retry}", times.len());
    }
}

/// A reset is a point on the server's clock: its `Date` where it has one, else the client's.
#[tokio::test(start_paused = true)]
async fn a_reset_in_absolute_time_is_met_by_the_servers_clock() {
    let newyear = SystemTime::UNIX_EPOCH + SECOND * 1_767_225_600;
    let slow = Clock::from_system_time(move || newyear - SECOND * 3600);
    let dated: Script = &[(
        429,
        &[
            ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1767225607"),
        ],
    )];
    let undated: Script =
        &[(429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225607")])];
    for (clock, replies) in [(slow, dated), (Clock::from_system_time(move || newyear), undated)] {
        let api = script(replies);
        send(&RetryOnRateLimit::new().clock(clock), &api, get()).await.unwrap();
        let gap = api.gaps()[0];
        assert!(SECOND * 7 <= gap && gap <= SECOND * 8 + TICK, "{gap:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_hint_the_waits_double() {
    let backoff = Backoff::exponential(SECOND, SECOND * 5).unwrap().jitter_ratio(0.0);
    let api = api(|_| response(429, &[]));
    let response = send(&RetryOnRateLimit::new().backoff(backoff), &api, get()).await.unwrap();
    let seconds: Vec<u64> = api.gaps().iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, [1, 2, 4, 5, 5]);
    assert_eq!(outcome(&response).waited(), SECOND * 17);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_waits_by_its_own_backoff() {
    let backoff = Backoff::exponential(SECOND * 9, SECOND * 9).unwrap().jitter_ratio(0.0);
    let layer = RetryOnRateLimit::new()
        .endpoint("GET /users/{id}".parse().unwrap(), |it| it.backoff(backoff));
    let api = script(&[(429, &[])]);
    send(&layer, &api, get()).await.unwrap();
    assert_eq!(api.gaps(), [SECOND * 9]);
}

/// The jitter of a caller with little time left must not eat the time for the attempt.
#[tokio::test(start_paused = true)]
async fn near_the_deadline_half_of_the_time_left_remains_for_the_attempt() {
    for _ in 0..50 {
        let api = script(&[(429, &[("retry-after", "5")])]);
        let mut request = get();
        let deadline = Instant::now() + Duration::from_millis(5400);
        request.extensions_mut().insert(Deadline::at(deadline));
        send(&RetryOnRateLimit::new(), &api, request).await.unwrap();
        let gap = api.gaps()[0];
        assert!(SECOND * 5 <= gap && gap <= Duration::from_millis(5200), "{gap:?}");
    }
}
