//! The first responses.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
use tower_heed::{
    __internals::{Availability, Observation, Quota},
    headers::RateLimit,
};

const WAIT: Duration = Duration::from_secs(12);
const ROUND_TRIP: Duration = Duration::from_millis(10);

/// Sends all requests that have a permit now, and responds after a round trip.
fn round(quota: &mut Quota, now: Instant, response: &Observation) -> usize {
    let mut permits = Vec::new();
    while let Availability::Now(permit) = quota.acquire(now) {
        permits.push(permit);
    }
    let sent = permits.len();
    permits.into_iter().for_each(|permit| quota.on_response(permit, now + ROUND_TRIP, response));
    sent
}

#[test]
fn a_used_up_counter_in_the_headers_is_waited_for() {
    let (mut quota, now, wall) = (Quota::new(), Instant::now(), SystemTime::UNIX_EPOCH);
    let Availability::Now(permit) = quota.acquire(now) else { panic!("the first waits") };
    let mut headers = HeaderMap::new();
    for (name, value) in [("limit", "50"), ("remaining", "0"), ("reset", "30")] {
        let name: HeaderName = format!("ratelimit-{name}").parse().unwrap();
        headers.insert(name, HeaderValue::from_static(value));
    }
    let limit = RateLimit::from_headers(&headers, wall);
    let now = now + ROUND_TRIP;
    quota.on_response(permit, now, &Observation::new(false, &headers, limit.as_ref(), wall));
    let Availability::At(at) = quota.acquire(now) else { panic!("a permit before the reset") };
    assert!(at >= now + Duration::from_secs(30));
    assert_eq!(quota.snapshot(now).remaining, Some(0));
}

#[test]
fn a_429_to_the_very_first_request_is_a_wait_and_no_limit() {
    for retry_after in [Some(WAIT), None] {
        let (mut quota, mut now) = (Quota::new(), Instant::now());
        let rejection = Observation { rate_limited: true, retry_after, ..Observation::default() };
        assert_eq!(round(&mut quota, now, &rejection), 1);
        now += ROUND_TRIP;
        if let Some(wait) = retry_after {
            assert!(matches!(quota.acquire(now), Availability::At(at) if at >= now + wait));
        }
        now += WAIT;
        // The server is open again, and nothing else is known: one, and then more and more.
        let mut sent = Vec::new();
        for _ in 0..6 {
            sent.push(round(&mut quota, now, &Observation::default()));
            now += ROUND_TRIP;
        }
        assert_eq!(sent, [1, 2, 4, 8, 8, 8], "{retry_after:?}");
    }
}
